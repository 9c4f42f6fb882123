"""GLM-4.1V, GLM-4.5V, GLM-4.6V and GLM-OCR: native resolution, patches merged by a convolution.

GLM-4.1V and GLM-4.6V-Flash are dense (``glm4v``); GLM-4.5V and GLM-4.6V have experts from the
second layer on (``glm4v_moe``); what is called ``glm46v`` may have either language model. A picture
counts once for each frame that is folded into a patch: the sizes that the image processor allows
are twice its pixels.
"""

from dataclasses import replace

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens

__all__ = ["FAMILIES"]

_DENSE = Family(
    name="GLM-4.1V",
    model_types=("glm4v",),
    model_class="Glm4vForConditionalGeneration",
    vision=("model.visual",),
    projector=("model.visual.downsample", "model.visual.merger"),
    tower_count="depth",
    processor="Glm4vProcessor",
    picture_mark="<|begin_of_image|><|image|><|end_of_image|>",
    picture_tokens=grid_tokens,
    picture_patches=grid_patches,
    sizes_count_frames=True,
)
_EXPERTS = replace(
    _DENSE,
    name="GLM-4.5V",
    model_types=("glm4v_moe",),
    model_class="Glm4vMoeForConditionalGeneration",
    lacks=("mlp",),
)
_EITHER = replace(
    _EXPERTS,
    name="GLM-4.6V-MoE",
    model_types=("glm46v",),
    text_types=("glm4v_moe_text",),
    model_class="Glm46VForConditionalGeneration",
    processor="Glm46VProcessor",
)
FAMILIES = (
    _DENSE,
    _EXPERTS,
    _EITHER,
    replace(_EITHER, name="GLM-4.6V", text_types=("glm4v_text",), lacks=()),
    replace(
        _DENSE,
        name="GLM-OCR",
        model_types=("glm_ocr",),
        model_class="GlmOcrForConditionalGeneration",
        processor="Glm46VProcessor",
    ),
)
