"""Tiny random models of each family, written to disk like real checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

SPECIAL = [
    "<pad>", "<s>", "</s>", "<image>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>",
    "<|video_pad|>", "<|im_start|>", "<|im_end|>",
]  # fmt: skip
WORDS = ["yes", "no", "Yes", "No"]
HIDDEN = 32
LAYERS = 4


def tokenizer(picture: str, *extra: str, **named: str) -> PreTrainedTokenizerFast:
    """One token per byte; with further special tokens, and some that are named (``boi_token``)."""
    vocabulary: dict[str, int] = {}
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    for word in [*SPECIAL, *extra, *named.values(), *letters]:
        vocabulary.setdefault(word, len(vocabulary))
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<|im_end|>",
        additional_special_tokens=[*SPECIAL[3:], *extra],
        chat_template=_template(picture),
        **named,
    )


def _template(picture: str) -> str:
    return (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% for c in m['content'] %}{% if c['type'] == 'image' %}" + picture + "\n"
        "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def _seed(model: torch.nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.2 if parameter.ndim > 1 else 0.1
            noise = torch.randn(parameter.shape, generator=generator) * spread
            parameter.copy_(noise if parameter.ndim > 1 else 1 + noise)


def save_llava(path: Path, *, seed: int = 0, layers: int = LAYERS) -> Path:
    words = tokenizer("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=24, patch_size=8,
        ),
        text_config=LlamaConfig(
            vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=64,
            num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )  # fmt: skip
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"height": 24, "width": 24}, crop_size={"height": 24, "width": 24}
        ),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=words.chat_template,
    )
    return save(LlavaForConditionalGeneration(config), processor, path, seed)


def save_qwen3_vl(path: Path, *, seed: int = 0, layers: int = LAYERS) -> Path:
    words = tokenizer("<|vision_start|><|image_pad|><|vision_end|>")
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": HIDDEN, "intermediate_size": 64,
            "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
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
    return save(Qwen3VLForConditionalGeneration(config), qwen_pictures(), path, seed)


def qwen_tokens(words: PreTrainedTokenizerFast) -> dict[str, int]:
    """The ids of a Qwen configuration."""
    return {
        "image_token_id": words.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": words.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": words.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": words.convert_tokens_to_ids("<|vision_end|>"),
    }


def qwen_pictures(merge: int = 2) -> Qwen2VLImageProcessorPil:
    """Pictures in patches of 4, of 16 to 32 pixels per side."""
    return Qwen2VLImageProcessorPil(
        patch_size=4, merge_size=merge, temporal_patch_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 32 * 32},
    )  # fmt: skip


def save(model: Any, processor: Any, path: Path, seed: int = 0) -> Path:
    """Fill a model with random numbers, and write it and its processor."""
    _seed(model, seed)
    model.generation_config.eos_token_id = SPECIAL.index("<|im_end|>")
    model.generation_config.pad_token_id = SPECIAL.index("<pad>")
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


SAVERS: dict[str, Callable[..., Path]] = {"llava": save_llava, "qwen3_vl": save_qwen3_vl}
