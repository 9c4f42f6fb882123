"""LFM2-VL, whose decoder begins with convolutions."""

from __future__ import annotations

from pathlib import Path

from transformers import Lfm2VlConfig, Lfm2VlForConditionalGeneration, Lfm2VlProcessor

from superneurons.vlm.lfm2_pictures import Lfm2VlImageProcessorPil
from tiny_models import HIDDEN, LAYERS, save, tokenizer

SQUARES = [f"<|img_row_{row}_col_{column}|>" for row in (1, 2) for column in (1, 2)]


def save_lfm2_vl(path: Path) -> Path:
    words = tokenizer("<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", *SQUARES)
    config = Lfm2VlConfig(
        text_config={
            "model_type": "lfm2", "vocab_size": len(words), "hidden_size": HIDDEN,
            "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "num_key_value_heads": 2, "block_auto_adjust_ff_dim": False,
            "layer_types": ["conv", "full_attention", "conv", "full_attention"],
        },
        vision_config={
            "model_type": "siglip2_vision_model", "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 4, "num_patches": 16,
            "vision_use_head": False,
        },
        projector_hidden_size=HIDDEN,
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    pictures = Lfm2VlImageProcessorPil(
        encoder_patch_size=4, tile_size=16, min_image_tokens=2, max_image_tokens=4, max_tiles=4,
        max_pixels_tolerance=3.5,
    )  # fmt: skip
    processor = Lfm2VlProcessor(pictures, words, chat_template=words.chat_template)
    return save(Lfm2VlForConditionalGeneration(config), processor, path)


SAVERS = {"lfm2_vl": save_lfm2_vl}
