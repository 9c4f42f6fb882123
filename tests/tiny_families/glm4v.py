"""GLM-4.1V, GLM-4.5V, GLM-4.6V with either language model, and GLM-OCR."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vImageProcessorPil,
    Glm4vMoeConfig,
    Glm4vMoeForConditionalGeneration,
    Glm46VConfig,
    Glm46VForConditionalGeneration,
    Glm46VImageProcessorPil,
    GlmOcrConfig,
    GlmOcrForConditionalGeneration,
)

from tiny_models import HIDDEN, LAYERS, save, tokenizer

MARKS = ("<|begin_of_image|>", "<|image|>", "<|end_of_image|>")
VIDEO = ("<|begin_of_video|>", "<|video|>", "<|end_of_video|>")
DENSE: dict[str, Any] = {
    "hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": LAYERS,
    "num_attention_heads": 2, "num_key_value_heads": 1,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5,
        "mrope_section": [2, 1, 1],
    },
}  # fmt: skip
EXPERTS: dict[str, Any] = {
    "moe_intermediate_size": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, **DENSE
}  # fmt: skip
TOWER: dict[str, Any] = {
    "depth": 3, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
    "image_size": 24, "spatial_merge_size": 2, "out_hidden_size": HIDDEN,
}  # fmt: skip


def save_glm(path: Path, *, model: Any, config: Any, text: Any, tower: Any, pictures: Any) -> Path:
    """Pictures of 16 to 32 pixels per side, which count twice: patches are of two frames."""
    words = tokenizer("".join(MARKS), *MARKS, *VIDEO)
    ids = words.convert_tokens_to_ids
    made = config(
        text_config={"vocab_size": len(words), **text},
        vision_config=tower,
        image_start_token_id=ids(MARKS[0]), image_token_id=ids(MARKS[1]),
        image_end_token_id=ids(MARKS[2]), video_start_token_id=ids(VIDEO[0]),
        video_token_id=ids(VIDEO[1]), video_end_token_id=ids(VIDEO[2]),
    )  # fmt: skip
    words.save_pretrained(path)
    sizes = {"shortest_edge": 2 * 16 * 16, "longest_edge": 2 * 32 * 32}
    return save(model(made), pictures(patch_size=4, size=sizes), path)


_GLM4V = partial(save_glm, model=Glm4vForConditionalGeneration, config=Glm4vConfig)
_GLM46V = partial(save_glm, model=Glm46VForConditionalGeneration, config=Glm46VConfig)
SAVERS = {
    "glm4v": partial(_GLM4V, text=DENSE, tower=TOWER, pictures=Glm4vImageProcessorPil),
    "glm4v, newer pictures": partial(
        _GLM4V, text=DENSE, tower=TOWER, pictures=Glm46VImageProcessorPil
    ),
    "glm4v_moe": partial(
        save_glm, model=Glm4vMoeForConditionalGeneration, config=Glm4vMoeConfig, text=EXPERTS,
        tower=TOWER, pictures=Glm4vImageProcessorPil,
    ),
    "glm46v": partial(_GLM46V, text=DENSE, tower=TOWER, pictures=Glm46VImageProcessorPil),
    "glm46v, experts": partial(
        _GLM46V,
        text={"model_type": "glm4v_moe_text", **EXPERTS},
        tower={"model_type": "glm4v_moe_vision", **TOWER},
        pictures=Glm46VImageProcessorPil,
    ),
    "glm_ocr": partial(
        save_glm, model=GlmOcrForConditionalGeneration, config=GlmOcrConfig, text=DENSE,
        tower=TOWER, pictures=Glm46VImageProcessorPil,
    ),
}  # fmt: skip
