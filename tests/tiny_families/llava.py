"""LLaVA-1.5, with towers that checkpoints of its type come with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    Qwen2Config,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

from tiny_models import HIDDEN, LAYERS, save, save_llava, tokenizer

SIDE, PATCH = 28, 8  # pixels at the edge are dropped, as of 384 in patches of 14


def save_siglip(path: Path, *, read: int, pools: bool) -> Path:
    """No class token: all that the tower gives is read."""
    words = tokenizer("<image>")
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
            image_size=SIDE, patch_size=PATCH, vision_use_head=pools,
        ),
        text_config=Qwen2Config(
            vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=64,
            num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=read,
        vision_feature_select_strategy="full",
    )  # fmt: skip
    processor = LlavaProcessor(
        image_processor=SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        chat_template=words.chat_template,
    )
    return save(LlavaForConditionalGeneration(config), processor, path)


def save_vip(path: Path) -> Path:
    """Layers of the tower are counted from either end; the last is not among them."""
    words = tokenizer("<image>")
    config = VipLlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=5, num_attention_heads=2,
            image_size=24, patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=64,
            num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layers=[-2, -4, 1],
    )  # fmt: skip
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}
        ),
        tokenizer=words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=words.chat_template,
    )
    return save(VipLlavaForConditionalGeneration(config), processor, path)


SAVERS = {
    "llava": save_llava,
    "llava_siglip": partial(save_siglip, read=-1, pools=False),  # LLaVA-Interleave
    "llava_siglip_pooling": partial(save_siglip, read=-2, pools=True),  # JoyCaption
    "vipllava": save_vip,
}
