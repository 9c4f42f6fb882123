"""Qwen2-VL and Qwen2.5-VL, as written by this release of ``transformers`` and by those before 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from tiny_models import HIDDEN, LAYERS, qwen_pictures, qwen_tokens, save, tokenizer

TEXT: dict[str, Any] = {
    "hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": LAYERS,
    "num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": None,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
}  # fmt: skip


def save_qwen2_vl(path: Path) -> Path:
    words = tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    config = Qwen2VLConfig(
        text_config={"vocab_size": len(words), **TEXT},
        vision_config={
            "depth": 3, "embed_dim": 16, "hidden_size": HIDDEN, "num_heads": 2, "patch_size": 4,
            "spatial_merge_size": 2,
        },
        **qwen_tokens(words),
    )  # fmt: skip
    words.save_pretrained(path)
    return save(Qwen2VLForConditionalGeneration(config), qwen_pictures(), path)


def save_qwen2_5_vl(path: Path) -> Path:
    """Windows are of 16 × 16 pixels: pictures have several, which one layer joins."""
    words = tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    config = Qwen2_5_VLConfig(
        text_config={"vocab_size": len(words), **TEXT},
        vision_config={
            "depth": 3, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2,
            "patch_size": 4, "spatial_merge_size": 2, "out_hidden_size": HIDDEN,
            "window_size": 16, "fullatt_block_indexes": [1],
        },
        **qwen_tokens(words),
    )  # fmt: skip
    words.save_pretrained(path)
    return save(Qwen2_5_VLForConditionalGeneration(config), qwen_pictures(), path)


def save_as_then(path: Path) -> Path:
    """The files that are on the hub: one flat configuration, pixels by other names."""
    save_qwen2_5_vl(path)
    config = json.loads((path / "config.json").read_text())
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    scaling = {"type": "mrope", "mrope_section": rope["mrope_section"]}
    flat = {name: value for name, value in text.items() if name not in config}
    flat |= {"rope_scaling": scaling, "rope_theta": rope["rope_theta"]}
    (path / "config.json").write_text(json.dumps({**config, **flat}))
    pictures = {
        "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor",
        "min_pixels": 16 * 16, "max_pixels": 32 * 32, "patch_size": 4, "merge_size": 2,
        "temporal_patch_size": 2,
    }  # fmt: skip
    (path / "preprocessor_config.json").write_text(json.dumps(pictures))
    template = path / "chat_template.jinja"
    (path / "chat_template.json").write_text(json.dumps({"chat_template": template.read_text()}))
    template.unlink()
    return path


SAVERS = {
    "qwen2_vl": save_qwen2_vl,
    "qwen2_5_vl": save_qwen2_5_vl,
    "qwen2_5_vl, before 5": save_as_then,
}
