"""Molmo2, where transformers has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers

from tiny_models import HIDDEN, LAYERS, save, tokenizer

_MARKS = [
    "<im_patch>", "<im_col>", "<im_start>", "<low_res_im_start>", "<im_end>", "<im_low>",
    "<frame_start>", "<frame_end>",
]  # fmt: skip
_SIZES = {
    "size": {"height": 16, "width": 16}, "max_crops": 4, "overlap_margins": [1, 1],
    "patch_size": 4, "pooling_size": [2, 2],
}  # fmt: skip


def save_molmo2(path: Path) -> Path:
    if not hasattr(transformers, "Molmo2Config"):
        pytest.skip("this release of transformers has no Molmo2")
    words = tokenizer("<|image|>", image_token="<|image|>")
    known = len(words)
    words.add_tokens(_MARKS, special_tokens=True)  # beyond what the head can answer with
    words.save_pretrained(path)
    (path / "processor_config.json").write_text(json.dumps({"processor_class": "Molmo2Processor"}))
    from transformers.models.molmo2.image_processing_molmo2 import Molmo2ImageProcessor

    config = transformers.Molmo2Config(
        text_config={
            "hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": LAYERS,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
            "vocab_size": known, "additional_vocab_size": len(_MARKS),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
            "image_size": [16, 16], "patch_size": 4,
        },
        adapter_config={
            "vision_feature_layer": [2, 0], "hidden_size": 16, "num_attention_heads": 2,
            "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 32,
            "text_hidden_size": HIDDEN,
        },
        image_patch_id=words.convert_tokens_to_ids("<im_patch>"),
    )  # fmt: skip
    model = transformers.Molmo2ForConditionalGeneration(config)
    return save(model, Molmo2ImageProcessor(**_SIZES), path)


SAVERS = {"molmo2": save_molmo2}
