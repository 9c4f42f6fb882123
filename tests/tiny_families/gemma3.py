"""Gemma 3, with layers of both kinds of attention."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer


def save_gemma3(path: Path) -> Path:
    words = tokenizer(
        "<start_of_image>",
        boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
        image_token="<image_soft_token>",
    )
    config = Gemma3Config(
        text_config={
            "vocab_size": len(words), "hidden_size": HIDDEN, "intermediate_size": 64,
            "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 24,
            "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 24, "patch_size": 4,
            "vision_use_head": False,
        },
        mm_tokens_per_image=9,
        image_token_index=words.image_token_id,
        boi_token_index=words.boi_token_id,
        eoi_token_index=words.eoi_token_id,
    )  # fmt: skip
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": 24, "width": 24}),
        words,
        chat_template=words.chat_template,
        image_seq_length=9,
    )
    return save(Gemma3ForConditionalGeneration(config), processor, path)


SAVERS = {"gemma3": save_gemma3}
