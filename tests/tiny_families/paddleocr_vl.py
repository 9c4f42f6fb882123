"""PaddleOCR-VL."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    PaddleOCRVLConfig,
    PaddleOCRVLForConditionalGeneration,
    PaddleOCRVLImageProcessorPil,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

MARKS = ("<|IMAGE_START|>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_END|>")


def save_paddle(path: Path) -> Path:
    words = tokenizer("".join(MARKS), MARKS[0], MARKS[2], image_token=MARKS[1])
    config = PaddleOCRVLConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": HIDDEN, "intermediate_size": 64,
            "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2],
            },
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": 24, "patch_size": 4, "spatial_merge_size": 2,
        },
        vision_start_token_id=words.convert_tokens_to_ids(MARKS[0]),
        image_token_id=words.convert_tokens_to_ids(MARKS[1]),
        vision_end_token_id=words.convert_tokens_to_ids(MARKS[2]),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
    )  # fmt: skip
    words.save_pretrained(path)
    pictures = PaddleOCRVLImageProcessorPil(
        patch_size=4, size={"shortest_edge": 16 * 16, "longest_edge": 32 * 32}
    )
    return save(PaddleOCRVLForConditionalGeneration(config), pictures, path)


SAVERS = {"paddleocr_vl": save_paddle}
