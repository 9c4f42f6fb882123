"""PaliGemma with Gemma, and with Gemma 2, whose windows slide and whose logits are capped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipImageProcessorPil,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

_GEMMA2 = {
    "model_type": "gemma2", "query_pre_attn_scalar": 16, "sliding_window": 24,
    "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
    "final_logit_softcapping": 3.0, "attn_logit_softcapping": 50.0,
}  # fmt: skip


def save_paligemma(path: Path, **text: Any) -> Path:
    words = tokenizer("<image>", image_token="<image>")
    words.chat_template = None
    pictures = SiglipImageProcessorPil(size={"height": 24, "width": 24})
    pictures.image_seq_length = 9
    processor = PaliGemmaProcessor(pictures, words)
    config = PaliGemmaConfig(
        text_config={
            "model_type": "gemma", "vocab_size": len(words), "hidden_size": HIDDEN,
            "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 16, **text,
        },
        vision_config={
            "model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 24, "patch_size": 8,
            "vision_use_head": False,
        },
        image_token_index=words.image_token_id,
        projection_dim=HIDDEN,
        hidden_size=HIDDEN,
    )  # fmt: skip
    return save(PaliGemmaForConditionalGeneration(config), processor, path)


SAVERS = {
    "paligemma": save_paligemma,
    "paligemma, gemma 2": lambda path: save_paligemma(path, **_GEMMA2),
}
