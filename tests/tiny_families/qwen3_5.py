"""Qwen3.5, dense and with experts; their layers of linear attention forget slowly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5MoeConfig,
    Qwen3_5MoeForConditionalGeneration,
)

from tiny_models import HIDDEN, LAYERS, qwen_pictures, qwen_tokens, save, tokenizer

TEXT: dict[str, Any] = {
    "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5,
        "mrope_section": [2, 1, 1], "mrope_interleaved": True,
    },
}  # fmt: skip
TOWER: dict[str, Any] = {
    "depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "patch_size": 4,
    "spatial_merge_size": 2, "out_hidden_size": HIDDEN, "num_position_embeddings": 64,
}  # fmt: skip


def save_dense(path: Path) -> Path:
    words = tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    text = {"vocab_size": len(words), "intermediate_size": 64, **TEXT}
    config = Qwen3_5Config(text_config=text, vision_config=TOWER, **qwen_tokens(words))
    words.save_pretrained(path)
    return save_forgetting(Qwen3_5ForConditionalGeneration(config), path)


def save_moe(path: Path) -> Path:
    words = tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    text = {
        "vocab_size": len(words), "num_experts": 4, "num_experts_per_tok": 2,
        "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
        "layer_types": ["linear_attention", "full_attention"] * (LAYERS // 2), **TEXT,
    }  # fmt: skip
    config = Qwen3_5MoeConfig(text_config=text, vision_config=TOWER, **qwen_tokens(words))
    words.save_pretrained(path)
    return save_forgetting(Qwen3_5MoeForConditionalGeneration(config), path)


def save_forgetting(model: Any, path: Path) -> Path:
    """Random decays forget everything within a token: these keep a prompt, and what is wrong in it.

    Cut off after layer 1, both have linear attention only.
    """
    save(model, qwen_pictures(), path)
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            if hasattr(layer, "linear_attn"):
                layer.linear_attn.A_log.sub_(4)
    model.save_pretrained(path)
    return path


SAVERS = {"qwen3_5": save_dense, "qwen3_5_moe": save_moe}
