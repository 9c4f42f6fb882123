"""Aya Vision."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    AyaVisionConfig,
    AyaVisionForConditionalGeneration,
    AyaVisionProcessor,
    Cohere2Config,
    GotOcr2ImageProcessorPil,
    SiglipVisionConfig,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

SIDE, PATCH = 16, 4
MARKS = ("<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>")


def save_aya(path: Path) -> Path:
    """One layer in two attends to all tokens, the others to the last sixteen."""
    words = tokenizer("<image>", *MARKS)
    config = AyaVisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
            image_size=SIDE, patch_size=PATCH, vision_use_head=False,
        ),
        text_config=Cohere2Config(
            vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=64,
            num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
            sliding_window=16, logit_scale=0.25,
            layer_types=["sliding_attention", "full_attention"] * (LAYERS // 2),
        ),
        image_token_index=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
        alignment_intermediate_size=64,
    )  # fmt: skip
    processor = AyaVisionProcessor(
        image_processor=GotOcr2ImageProcessorPil(
            size={"height": SIDE, "width": SIDE}, min_patches=1, max_patches=6
        ),
        tokenizer=words,
        patch_size=PATCH,
        img_size=SIDE,
        downsample_factor=2,
        chat_template=words.chat_template,
    )
    return save(AyaVisionForConditionalGeneration(config), processor, path)


SAVERS = {"aya_vision": save_aya}
