"""A language model on its own, or the one within an opened VLM: prompts in, next-token logits out.

Text alone, as it is, without a chat template. Prompts are padded on the left, so that the last
position is every row's own.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import nn

from superneurons.errors import DataError, ModelError, Problem
from superneurons.vlm.family import part
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import device_of, dtype_of, explained, open_vlm, refuse_missing
from superneurons.vlm.source import check_complete, locate

__all__ = ["LanguageModel", "language_model", "open_language_model"]

# What follows a causal language model's base_model_prefix.
_LAYERS = ("layers", "h")
_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm")
_MLP_OUTPUTS = ("mlp.down_proj", "mlp.c_proj", "mlp.dense_4h_to_h", "mlp.fc2")
# An answer is cut into tokens in the middle of a text as it is nowhere else.
_BEFORE = ":"
_SAMPLES = 64

_FINGERPRINTS: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model, and where its parts are.

    From :func:`language_model` or :func:`open_language_model`. Layers count from 1.

    Parameters
    ----------
    model
        What gives logits, in evaluation mode.
    tokenizer
        What cuts text into its tokens.
    name
        How it was asked for.
    trunk, layers_path, norm_path
        All but the head, the decoder layers, and the norm after them: dotted paths.
    mlp_output
        Within a layer, the module whose input is the MLP neurons.
    """

    model: nn.Module
    tokenizer: Any
    name: str
    trunk: str
    layers_path: str
    norm_path: str
    mlp_output: str

    def __repr__(self) -> str:
        return f"LanguageModel({self.name!r}, {self.n_layers} layers of {self.width} MLP neurons)"

    @property
    def layers(self) -> nn.ModuleList:
        """Its decoder layers."""
        return cast(nn.ModuleList, self._part(self.layers_path))

    @property
    def norm(self) -> nn.Module:
        """What follows the last of them."""
        return self._part(self.norm_path)

    @property
    def n_layers(self) -> int:
        """How many there are."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """MLP neurons of a layer."""
        module = self.mlp(1)
        if isinstance(module, nn.Linear):
            return int(module.in_features)
        return int(cast(torch.Tensor, module.weight).shape[0])  # GPT-2's Conv1D: (in, out)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of its weights."""
        return next(self.model.parameters()).dtype

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the decoder's dtype, names, shapes and 64 values of each tensor.

        Taken once of a model that is open. A VLM's and that of its language model alone differ.
        """
        if self.model not in _FINGERPRINTS:
            _FINGERPRINTS[self.model] = _fingerprint(self)
        return _FINGERPRINTS[self.model]

    def mlp(self, layer: int) -> nn.Module:
        """Return the module whose input is the MLP neurons of a layer.

        Raises
        ------
        DataError
            When there is no such layer.
        ModelError
            When it has no such module: its MLP is of experts, say.
        """
        if not 1 <= layer <= self.n_layers:
            raise DataError(
                f"{self.name!r} has no layer {layer}.",
                where=f"layer {layer}",
                mend=f"Choose one from 1 to {self.n_layers}.",
            )
        return part(self.layers[layer - 1], self.mlp_output, family=self.name)

    def encode(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn prompts into tokens, padded on the left.

        Parameters
        ----------
        prompts
            N of them, at least one.

        Returns
        -------
        ids, mask : Tensor of shape (N, T), int64
            On the model's device; the mask is 1 where there is a token.

        Raises
        ------
        DataError
            When there are none, or some have no token; lists them all.
        """
        rows = [list(self.tokenizer(prompt)["input_ids"]) for prompt in prompts]
        empty = [
            Problem(f"prompt {index}", f"{prompts[index]!r} has no token")
            for index, row in enumerate(rows)
            if not row
        ]
        if empty or not rows:
            raise DataError(
                "Some prompts are empty." if empty else "There are no prompts.",
                problems=empty,
                where=None if empty else "prompts",
                mend="Give at least one prompt, each with some text.",
            )
        pad = self.tokenizer.pad_token_id
        filler = pad if pad is not None else (self.tokenizer.eos_token_id or 0)
        longest = max(map(len, rows))
        ids = [[filler] * (longest - len(row)) + row for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    @torch.inference_mode()
    def run(self, ids: torch.Tensor, mask: torch.Tensor, **options: Any) -> torch.Tensor:
        """Run the model once over tokens from :meth:`encode`.

        Parameters
        ----------
        ids
            Shape (B, T).
        mask
            Shape (B, T), or as wide as the tokens before them are many.
        options
            What else its ``forward`` takes; by default no cache is kept.

        Returns
        -------
        Tensor of shape (B, V), float32
            Logits of the next token, on the model's device.
        """
        known = inspect.signature(self.model.forward).parameters
        if "position_ids" in known:  # by default they would count the padding
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
            options["position_ids"] = positions[:, -ids.shape[1] :]
        if "logits_to_keep" in known:
            options["logits_to_keep"] = 1
        given = {"input_ids": ids, "attention_mask": mask, "use_cache": False, **options}
        return cast(torch.Tensor, cast(Any, self.model)(**given).logits[:, -1].float())

    def last_logits(self, prompts: Sequence[str], batch_size: int = 16) -> torch.Tensor:
        """Return the logits of the token after each prompt, shape (N, V) float32 on the CPU.

        Raises
        ------
        DataError
            As :meth:`encode` does.
        """
        ids, mask = self.encode(prompts)
        found = []
        for start in range(0, len(prompts), batch_size):
            rows = slice(start, start + batch_size)
            used = int(mask[rows].sum(dim=1).max())
            found.append(self.run(ids[rows, -used:], mask[rows, -used:]).cpu())
        return torch.cat(found)

    def single_tokens(self, words: Sequence[str]) -> list[int]:
        """Return the token of each word, as it is in the middle of a text.

        Parameters
        ----------
        words
            With the space before them, where there is one: ``" Paris"``.

        Raises
        ------
        DataError
            Lists every word that isn't one token.
        """
        before = self._ids(_BEFORE)
        cut = [self._ids(_BEFORE + word)[len(before) :] for word in words]
        problems = [
            Problem(repr(word), f"is {len(tokens)} tokens: {self._shown(tokens)}")
            for word, tokens in zip(words, cut, strict=True)
            if len(tokens) != 1
        ]
        if problems:
            raise DataError(
                f"Some words are not a single token of {self.name!r}.",
                problems=list(dict.fromkeys(problems)),
                mend="Use words that are, mind the space before them (' Paris'), or leave these "
                "prompts out.",
            )
        return [tokens[0] for tokens in cut]

    def _shown(self, tokens: Sequence[int]) -> str:
        return ", ".join(repr(self.tokenizer.decode([token])) for token in tokens) or "none"

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _part(self, path: str) -> nn.Module:
        return part(self.model, path, family=self.name)


def language_model(vlm: VLM) -> LanguageModel:
    """Use the decoder of an opened VLM for text without pictures.

    Parameters
    ----------
    vlm
        The model; its weights are shared. What needs logits needs it whole.

    Raises
    ------
    ModelError
        When it has no MLP neurons of its own: its experts take turns.
    """
    vlm.shape("mlp")
    family = vlm.family
    return LanguageModel(
        vlm.model, vlm.processor.tokenizer, vlm.name,
        family.trunk, family.layers, family.norm, family.mlp_output,
    )  # fmt: skip


def open_language_model(
    name: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> LanguageModel:
    """Open a causal language model, or the one within a VLM.

    Parameters
    ----------
    name
        ``demo`` for the embedded VLM's, a local directory, or a hub id.
    dtype, device, revision, trust_remote_code
        As in :func:`~superneurons.vlm.opening.open_vlm`.

    Raises
    ------
    ModelNotFoundError
        When there is no such model, or no network to fetch it.
    ModelError
        When its files are incomplete or damaged, or no layers with an MLP are found in it.
    ResourceError
        When it doesn't fit into memory.

    Examples
    --------
    >>> open_language_model("demo")  # doctest: +SKIP
    LanguageModel('demo', 30 layers of 1536 MLP neurons)
    """
    import transformers

    source = locate(name, revision=revision, trust_remote_code=trust_remote_code)
    options: dict[str, Any] = {
        "revision": source.revision, "trust_remote_code": trust_remote_code
    }  # fmt: skip
    if getattr(source.config, "vision_config", None) is not None:
        options["revision"] = revision
        return language_model(open_vlm(name, dtype=dtype, device=device, **options))
    where = device_of(device)
    check_complete(source)
    with explained(source):
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            source.path,
            dtype=dtype_of(dtype, where, source.config),
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
            **options,
        )
        refuse_missing(source, report)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.path, **options)
        model = model.eval().requires_grad_(False).to(where)
    return _described(model, tokenizer, name)


def _described(model: Any, tokenizer: Any, name: str) -> LanguageModel:
    trunk = str(model.base_model_prefix)
    base = getattr(model, trunk, None)
    layers = next((path for path in _LAYERS if hasattr(base, path)), None)
    norm = next((path for path in _NORMS if hasattr(base, path)), None)
    if base is None or layers is None or norm is None:
        raise _unknown(name, model, f"layers, norm at {trunk}")
    modules = dict(getattr(base, layers)[0].named_modules())
    mlp = next((path for path in _MLP_OUTPUTS if path in modules), None)
    if mlp is None:
        raise _unknown(name, model, f"MLP of {trunk}.{layers}.0")
    return LanguageModel(
        model, tokenizer, name, trunk, f"{trunk}.{layers}", f"{trunk}.{norm}", mlp
    )  # fmt: skip


def _unknown(name: str, model: Any, where: str) -> ModelError:
    return ModelError(
        f"The parts of {name!r} ({type(model).__name__}) are not known.",
        where=where,
        mend=f"Use a model whose layers have one of: {', '.join(_MLP_OUTPUTS)}.",
    )


@torch.inference_mode()
def _fingerprint(model: LanguageModel) -> str:
    digest = hashlib.sha256(f"{model.dtype}".encode())
    embeddings = cast(Any, model.model).get_input_embeddings()
    for name, module in (
        ("embeddings", embeddings), ("layers", model.layers), ("norm", model.norm)
    ):  # fmt: skip
        for inner, tensor in sorted(module.named_parameters()):
            flat = tensor.reshape(-1)
            steps = torch.linspace(0, len(flat) - 1, min(_SAMPLES, len(flat)), dtype=torch.float64)
            values = flat[steps.long().to(flat.device)].float().cpu().numpy()
            digest.update(f"{name}.{inner} {tuple(tensor.shape)}".encode() + values.tobytes())
    return digest.hexdigest()
