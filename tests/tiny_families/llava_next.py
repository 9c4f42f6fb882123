"""LLaVA-NeXT with a CLIP tower, the same as Granite Vision has it, and LLaVA-OneVision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import (
    CLIPVisionConfig,
    GraniteConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    Qwen2Config,
    SiglipVisionConfig,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

SIDE, PATCH = 24, 8
GRIDS = [[24, 48], [48, 24], [48, 48], [72, 24], [24, 72]]
TOWER = {
    "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "image_size": SIDE,
    "patch_size": PATCH,
}  # fmt: skip
TEXT = {
    "hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": LAYERS,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip


def save_next(path: Path) -> Path:
    words = tokenizer("<image>")
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**TOWER, num_hidden_layers=3),
        text_config=LlamaConfig(**TEXT, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=GRIDS,
    )
    return _save_next(config, words, path, class_tokens=1)


def save_granite(path: Path) -> Path:
    """Several layers of a SigLIP tower are read, the last among them; states are scaled."""
    words = tokenizer("<image>")
    config = LlavaNextConfig(
        vision_config=SiglipVisionConfig(**TOWER, num_hidden_layers=4),
        text_config=GraniteConfig(
            **TEXT, vocab_size=len(words), embedding_multiplier=12.0, residual_multiplier=0.22,
            logits_scaling=8.0, attention_multiplier=0.1,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[SIDE, SIDE], *GRIDS],
        vision_feature_layer=[-4, -3, -1],
        vision_feature_select_strategy="full",
    )  # fmt: skip
    return _save_next(config, words, path, class_tokens=0)


def _save_next(config: LlavaNextConfig, words: Any, path: Path, class_tokens: int) -> Path:
    pictures = LlavaNextImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_grid_pinpoints=config.image_grid_pinpoints,
    )
    processor = LlavaNextProcessor(
        image_processor=pictures,
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=class_tokens,
        chat_template=words.chat_template,
    )
    return save(LlavaNextForConditionalGeneration(config), processor, path)


def save_onevision(path: Path) -> Path:
    """What large pictures become is made smaller: half of ``SIZES`` take more than two tiles."""
    words = tokenizer("<image>")
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**TOWER, num_hidden_layers=3, vision_use_head=False),
        text_config=Qwen2Config(**TEXT, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<|video_pad|>"),
        image_grid_pinpoints=[[SIDE, SIDE], *GRIDS],
        vision_aspect_ratio="anyres_max_2",
    )
    settings = {
        "processor_class": "LlavaOnevisionProcessor",
        "num_image_tokens": (SIDE // PATCH) ** 2,
        "vision_feature_select_strategy": "full",
        "vision_aspect_ratio": "anyres_max_2",
        "image_token": "<image>",
        "video_token": "<|video_pad|>",
    }
    pictures = LlavaOnevisionImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=config.image_grid_pinpoints
    )
    save(LlavaOnevisionForConditionalGeneration(config), pictures, path)
    words.save_pretrained(path)
    (path / "processor_config.json").write_text(json.dumps(settings))
    return path


SAVERS = {
    "llava_next": save_next,
    "llava_next_granite": save_granite,
    "llava_onevision": save_onevision,
}
