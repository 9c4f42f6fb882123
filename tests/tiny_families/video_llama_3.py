"""VideoLLaMA3, with as many patches per token as are usual for pictures, and for films."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transformers import (
    VideoLlama3Config,
    VideoLlama3ForConditionalGeneration,
    VideoLlama3ImageProcessorPil,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer


def save_video_llama(path: Path, *, merge: int) -> Path:
    words = tokenizer("<|image_pad|>")
    config = VideoLlama3Config(
        text_config={
            "model_type": "qwen2", "vocab_size": len(words), "hidden_size": HIDDEN,
            "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 2, "patch_size": 4,
        },
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
    )  # fmt: skip
    words.save_pretrained(path)
    pictures = VideoLlama3ImageProcessorPil(
        patch_size=4, merge_size=merge,
        size={"shortest_edge": 16 * 16, "longest_edge": 32 * 32},
    )  # fmt: skip
    return save(VideoLlama3ForConditionalGeneration(config), pictures, path)


SAVERS = {
    "video_llama_3": partial(save_video_llama, merge=1),
    "video_llama_3, merged": partial(save_video_llama, merge=2),
}
