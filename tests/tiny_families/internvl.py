"""InternVL with the language models of its checkpoints."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from transformers import (
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer


def save_internvl(path: Path, kind: str, *, reads: int = -1, **text: Any) -> Path:
    words = tokenizer(
        "<IMG_CONTEXT>",
        context_image_token="<IMG_CONTEXT>",
        start_image_token="<img>",
        end_image_token="</img>",
        video_token="<video>",
    )
    config = InternVLConfig(
        text_config={
            "model_type": kind, "vocab_size": len(words), "hidden_size": HIDDEN,
            "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, **text,
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": [16, 16], "patch_size": [4, 4],
            "use_absolute_position_embeddings": True,
        },
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        vision_feature_layer=reads,
        tie_word_embeddings=False,
    )  # fmt: skip
    pictures = GotOcr2ImageProcessorPil(size={"height": 16, "width": 16}, max_patches=4)
    words.save_pretrained(path)
    save(InternVLForConditionalGeneration(config), pictures, path)
    whole = {"image_seq_length": 4, "processor_class": "InternVLProcessor"}
    (path / "processor_config.json").write_text(json.dumps(whole))
    return path


SAVERS = {
    "internvl": partial(save_internvl, kind="qwen2"),
    "internvl_qwen3": partial(save_internvl, kind="qwen3", reads=-2),
    "internvl_qwen3_moe": partial(
        save_internvl,
        kind="qwen3_moe",
        moe_intermediate_size=32,
        num_experts=4,
        num_experts_per_tok=2,
    ),
    "internvl_gpt_oss": partial(
        save_internvl, kind="gpt_oss", num_local_experts=4, num_experts_per_tok=2, sliding_window=8
    ),
}
