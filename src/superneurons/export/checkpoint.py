"""A checkpoint cut off after a decoder layer: its own tensors and files, by their own names."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from superneurons.errors import ModelError
from superneurons.vlm.family import Family
from superneurons.vlm.hub import hub_file
from superneurons.vlm.model import VLM
from superneurons.vlm.partial import map_tensors
from superneurons.vlm.source import Source, locate, weight_map

__all__ = [
    "add_constant",
    "copy_processor",
    "cut_config",
    "cut_tensors",
    "has_room_for_constant",
    "source_of",
]

_COPIED = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.*",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
)


def source_of(vlm: VLM, *, trust_remote_code: bool = False) -> Source:
    """Return where a model was opened from.

    Raises
    ------
    ModelNotFoundError
        When it is no longer there.
    """
    return locate(vlm.name, revision=vlm.revision, trust_remote_code=trust_remote_code)


def cut_config(
    config: Any, depth: int, labels: Iterable[str], *, pad_token_id: int | None = None
) -> Any:
    """Return a model's configuration for its first decoder layers, with labels.

    Parameters
    ----------
    config
        The whole model's; it stays as it was.
    depth
        How many layers are kept, from 1.
    labels
        Their names go into the configuration as a whole and into that of the text: engines read
        either.
    pad_token_id
        What batches are padded with, where the configuration doesn't say: sequence classifiers
        look for the last token that isn't it.
    """
    config = copy.deepcopy(config)
    text = config.get_text_config()
    whole = int(text.num_hidden_layers)
    for name, value in list(vars(text).items()):
        if isinstance(value, list) and len(value) == whole and "layer" in name:
            setattr(text, name, value[:depth])
    text.num_hidden_layers = depth
    if getattr(text, "max_window_layers", None) is not None:
        text.max_window_layers = min(int(text.max_window_layers), depth)
    names = [str(label) for label in labels]
    for part in (config, text):
        part.id2label = dict(enumerate(names))
        part.label2id = {name: number for number, name in enumerate(names)}
        part.problem_type = "single_label_classification"
    if getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = pad_token_id
    return config


def cut_tensors(
    source: Source, family: Family, depth: int, norm: Mapping[str, torch.Tensor], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Map the tensors of a checkpoint up to a decoder layer, and give it another final norm.

    No later layer is among them, nor the head: engines refuse weights that have no place.

    Parameters
    ----------
    source
        The checkpoint.
    family
        Where a model's parts are.
    depth
        How many decoder layers are kept.
    norm
        The final norm's new weights.
    dtype
        What tensors are converted to that are stored in a wider one.

    Raises
    ------
    ModelError
        When the checkpoint's final norm isn't found.
    """
    tensors = map_tensors(source, family, depth)
    beyond = weight_map(source).keys() - tensors.keys()
    for ending, value in norm.items():
        name = _norm_name(beyond, f"{family.norm_name}.{ending}", source)
        tensors[name] = value.to(dtype)
    return {name: _narrowed(tensor, dtype) for name, tensor in sorted(tensors.items())}


def _norm_name(names: Iterable[str], ending: str, source: Source) -> str:
    found = sorted(
        name for name in names if name.endswith(f".{ending}") and not re.search(r"\.\d+\.", name)
    )
    if len(found) != 1:
        raise ModelError(
            f"The final norm of {source.name!r} isn't found among its weights: {found or 'none'}.",
            where=ending,
            mend="Export the votes themselves (superneurons export onnx).",
        )
    return found[0]


def _narrowed(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    wider = tensor.is_floating_point() and tensor.dtype.itemsize > dtype.itemsize
    return (tensor.to(dtype) if wider else tensor).contiguous()


def has_room_for_constant(config: Any, tensors: Mapping[str, torch.Tensor], depth: int) -> bool:
    """Whether the decoder's layers can add a constant to the residual stream.

    True of Llama's, whose MLPs may have biases (``mlp_bias``) and add to the stream unscaled;
    Granite's have the setting, too, but scale what they add.
    """
    text = config.get_text_config()
    return text.model_type == "llama" and all(
        _mlp(tensors, layer, "down_proj") is not None for layer in range(depth)
    )


def add_constant(
    config: Any, tensors: dict[str, torch.Tensor], depth: int, constant: torch.Tensor
) -> None:
    """Let the last layer that is kept add a vector to the residual stream; changes its arguments.

    Parameters
    ----------
    config, tensors
        For which :func:`has_room_for_constant` is true.
    depth
        How many layers are kept.
    constant
        Shape (D,).
    """
    config.get_text_config().mlp_bias = True
    for layer in range(depth):
        for name in ("gate_proj", "up_proj", "down_proj"):
            weight = _mlp(tensors, layer, name)
            assert weight is not None  # there is room
            bias = f"{weight.removesuffix('weight')}bias"
            empty = torch.zeros(len(tensors[weight]), dtype=tensors[weight].dtype)
            tensors.setdefault(bias, empty)
    last = _mlp(tensors, depth - 1, "down_proj")
    bias = f"{str(last).removesuffix('weight')}bias"
    # Kept wide: a rounded constant would move the decision's threshold.
    tensors[bias] = tensors[bias].float() + constant.float()


def _mlp(tensors: Mapping[str, torch.Tensor], layer: int, name: str) -> str | None:
    ending = f".layers.{layer}.mlp.{name}.weight"
    found = [key for key in tensors if key.endswith(ending) and "vision" not in key]
    return found[0] if len(found) == 1 else None


def copy_processor(source: Source, directory: Path) -> list[str]:
    """Copy what a checkpoint's processor is loaded from: small files, no weights, no code.

    Returns
    -------
    list of str
        Their names.
    """
    here = Path(source.path)
    if not here.is_dir():
        config = hub_file(source.path, "config.json", source.revision)
        here = here if config is None else config.parent
    copied = []
    for path in sorted({path for pattern in _COPIED for path in here.glob(pattern)}):
        if path.is_file() and path.suffix != ".py":
            shutil.copyfile(path, directory / path.name)
            copied.append(path.name)
    return copied
