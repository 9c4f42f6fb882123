"""The trained parts of a model as the one file that travels with the package."""

from __future__ import annotations

from pathlib import Path

import torch
from lora import lora_state
from safetensors.torch import save_file
from transformers import LlavaForConditionalGeneration

__all__ = ["export"]


def export(model: LlavaForConditionalGeneration, path: Path, *, lora_scale: float) -> None:
    """Write vision tower, projector and low-rank updates as float16 safetensors."""
    inner = model.model
    parts = {
        "vision_tower": inner.vision_tower.state_dict(),
        "multi_modal_projector": inner.multi_modal_projector.state_dict(),
        "language_model": lora_state(inner.language_model),
    }
    tensors = {
        f"{part}.{name.removeprefix('vision_model.')}": tensor.detach().to("cpu", torch.float16)
        for part, state in parts.items()
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }
    unusable = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if unusable:
        raise ValueError(f"not finite in float16: {', '.join(unusable)}")
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    unfinished = path.with_suffix(".part")
    save_file(whole, unfinished, metadata={"format": "pt", "lora_scale": str(lora_scale)})
    unfinished.rename(path)
