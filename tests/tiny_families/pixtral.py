"""Pixtral, and Mistral 3 with dense language models and with experts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PixtralImageProcessorPil,
    PreTrainedTokenizerFast,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

_TEXT: dict[str, Any] = {
    "hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": LAYERS,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "sliding_window": None,
}  # fmt: skip
_MISTRAL4: dict[str, Any] = {
    "model_type": "mistral4", "num_key_value_heads": 4, "moe_intermediate_size": 32,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "q_lora_rank": 16, "kv_lora_rank": 16,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16,
}  # fmt: skip


def save_pixtral(path: Path) -> Path:
    words = _words(path, merge=1)
    config = LlavaConfig(**_config(words, text={}), projector_hidden_act="gelu")
    config.vision_feature_select_strategy = "full"
    return save(LlavaForConditionalGeneration(config), _pictures(), path)


def save_mistral3(path: Path, **text: Any) -> Path:
    words = _words(path, merge=2)
    config = Mistral3Config(**_config(words, text=text), spatial_merge_size=2)
    return save(Mistral3ForConditionalGeneration(config), _pictures(), path)


def _config(words: PreTrainedTokenizerFast, text: dict[str, Any]) -> dict[str, Any]:
    return {
        "text_config": {"model_type": "mistral", **_TEXT, **text, "vocab_size": len(words)},
        "vision_config": {
            "model_type": "pixtral", "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 8, "image_size": 32,
            "patch_size": 4,
        },
        "image_token_index": words.convert_tokens_to_ids("[IMG]"),
        "vision_feature_layer": -1,
    }  # fmt: skip


def _words(path: Path, merge: int) -> PreTrainedTokenizerFast:
    """The processor's text half: its whole can only be saved where torchvision is."""
    words = tokenizer("[IMG]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    words.save_pretrained(path)
    settings = {
        "image_token": "[IMG]", "image_break_token": "[IMG_BREAK]", "image_end_token": "[IMG_END]",
        "patch_size": 4, "spatial_merge_size": merge, "processor_class": "PixtralProcessor",
    }  # fmt: skip
    (path / "processor_config.json").write_text(json.dumps(settings))
    return words


def _pictures() -> PixtralImageProcessorPil:
    return PixtralImageProcessorPil(size={"longest_edge": 32}, patch_size=4)


SAVERS = {
    "llava, pixtral": save_pixtral,
    "mistral3": save_mistral3,
    "mistral3, ministral3": partial(save_mistral3, model_type="ministral3"),
    "mistral3, mistral4": partial(save_mistral3, **_MISTRAL4),
}
