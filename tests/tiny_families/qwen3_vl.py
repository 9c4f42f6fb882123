"""Qwen3-VL, dense and with experts."""

from __future__ import annotations

from pathlib import Path

from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

from tiny_models import HIDDEN, LAYERS, qwen_pictures, qwen_tokens, save, save_qwen3_vl, tokenizer


def save_moe(path: Path) -> Path:
    words = tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    config = Qwen3VLMoeConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": HIDDEN, "intermediate_size": 64,
            "moe_intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2,
            "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e4,
                "mrope_section": [4, 2, 2], "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4,
            "patch_size": 4, "spatial_merge_size": 2, "out_hidden_size": HIDDEN,
            "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1],
        },
        **qwen_tokens(words),
    )  # fmt: skip
    words.save_pretrained(path)
    return save(Qwen3VLMoeForConditionalGeneration(config), qwen_pictures(), path)


SAVERS = {"qwen3_vl": save_qwen3_vl, "qwen3_vl_moe": save_moe}
