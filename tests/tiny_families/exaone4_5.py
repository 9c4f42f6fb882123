"""EXAONE 4.5: every other layer sees 8 tokens back."""

from __future__ import annotations

from pathlib import Path

from transformers import Exaone4_5_Config, Exaone4_5_ForConditionalGeneration

from tiny_models import HIDDEN, LAYERS, qwen_pictures, qwen_tokens, save, tokenizer


def save_exaone(path: Path) -> Path:
    words = tokenizer("<|image_pad|>")
    tokens = qwen_tokens(words)
    config = Exaone4_5_Config(
        text_config={
            "model_type": "exaone4", "vocab_size": len(words), "hidden_size": HIDDEN,
            "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "num_key_value_heads": 2, "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
        },
        vision_config={
            "depth": 3, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2,
            "num_key_value_heads": 1, "patch_size": 4, "spatial_merge_size": 2,
            "out_hidden_size": HIDDEN, "window_size": 16, "fullatt_block_indexes": [1],
        },
        image_token_id=tokens["image_token_id"],
        video_token_id=tokens["video_token_id"],
    )  # fmt: skip
    words.save_pretrained(path)
    return save(Exaone4_5_ForConditionalGeneration(config), qwen_pictures(), path)


SAVERS = {"exaone4_5": save_exaone}
