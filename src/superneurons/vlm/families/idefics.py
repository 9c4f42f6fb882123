"""Idefics2, Idefics3 and SmolVLM: a SigLIP tower that sees a picture as several smaller ones.

Records of a batch get as many of those as the one with the most; what is added is all zeros, which
the model leaves out. Idefics3 and SmolVLM cut a picture into squares of one size, after which comes
the whole; Idefics2 keeps shapes, pads to the largest of a batch, and reads a fixed number of tokens
out of each.

SmolVLM's own processor wants packages for videos; Idefics3's makes the same of pictures. Some
versions of ``transformers`` have their image processors with torchvision only, without need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch

from superneurons.vlm.assembled import assembled
from superneurons.vlm.family import Family, ProcessorLoader

__all__ = ["FAMILIES"]


def _processor(name: str) -> ProcessorLoader:
    module = f"transformers.models.{name.lower()}.image_processing_pil_{name.lower()}"
    return assembled(f"{name}Processor", f"{module}:{name}ImageProcessorPil")


def _real(tensors: Mapping[str, Any]) -> torch.Tensor:
    """Which of the tiles (B, most tiles) the model keeps, by its own rule."""
    return cast(torch.Tensor, (tensors["pixel_values"] != 0).flatten(2).any(dim=-1))


def _record_tiles(tensors: Mapping[str, Any], _config: Any, _pictures: Sequence[int]) -> list[int]:
    return [int(count) for count in _real(tensors).sum(dim=1)]


def _patch_mask(tensors: Mapping[str, Any], config: Any) -> torch.Tensor:
    """Patches that are covered as a whole, as Idefics2 has it."""
    side = int(config.vision_config.patch_size)
    covered = tensors["pixel_attention_mask"][_real(tensors)].bool()
    squares = covered.unfold(1, side, side).unfold(2, side, side)
    return squares.flatten(3).all(dim=-1).flatten(1)


_IDEFICS3 = Family(
    name="Idefics3",
    model_types=("idefics3",),
    model_class="Idefics3ForConditionalGeneration",
    vision=("model.vision_model",),
    projector=("model.connector",),
    decoder="model.text_model",
    processor=_processor("Idefics3"),
    record_tiles=_record_tiles,
    resizable=False,
)
FAMILIES = (
    _IDEFICS3,
    replace(
        _IDEFICS3,
        name="SmolVLM2",
        model_types=("smolvlm",),
        model_class="SmolVLMForConditionalGeneration",
    ),
    replace(
        _IDEFICS3,
        name="Idefics2",
        model_types=("idefics2",),
        model_class="Idefics2ForConditionalGeneration",
        processor=_processor("Idefics2"),
        patch_mask=_patch_mask,
    ),
)
