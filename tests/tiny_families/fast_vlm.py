"""FastVLM with a convolutional tower of ``transformers`` itself."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    CLIPImageProcessorPil,
    ConvNextConfig,
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    LlavaProcessor,
    Qwen2Config,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

SIDE, PATCH = 32, 8


def save_convolutions(path: Path) -> Path:
    words = tokenizer("<image>")
    tower = ConvNextConfig(
        image_size=SIDE, patch_size=4, num_stages=2, hidden_sizes=[8, 16], depths=[1, 2]
    )
    tower.hidden_size = tower.hidden_sizes[-1]
    config = FastVlmConfig(
        vision_config=tower,
        text_config=Qwen2Config(
            vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=64,
            num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
            image_mean=[0.0] * 3, image_std=[1.0] * 3,
        ),
        tokenizer=words,
        patch_size=PATCH,
        chat_template=words.chat_template,
    )  # fmt: skip
    return save(FastVlmForConditionalGeneration(config), processor, path)


SAVERS = {"fast_vlm": save_convolutions}
