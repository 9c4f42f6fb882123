"""PaddleOCR-VL: native resolution, and a projector that merges patches outside the tower.

Its processor is put together here: by itself it asks for an ``AutoImageProcessor`` that some
releases of ``transformers`` have with torchvision only, which Pillow's doesn't need.
"""

from typing import Any

from superneurons.vlm.family import Family
from superneurons.vlm.grids import grid_patches, grid_tokens

__all__ = ["FAMILIES"]


def _processor(path: str, *, backend: str, **options: Any) -> Any:
    from transformers import AutoTokenizer, PaddleOCRVLProcessor
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    pictures = AutoImageProcessor.from_pretrained(path, backend=backend, **options)
    words = AutoTokenizer.from_pretrained(path, **options)
    return PaddleOCRVLProcessor(pictures, words, chat_template=words.chat_template)


FAMILIES = (
    Family(
        name="PaddleOCR-VL",
        model_types=("paddleocr_vl",),
        model_class="PaddleOCRVLForConditionalGeneration",
        vision=("model.visual",),
        projector=("model.projector",),
        processor=_processor,
        picture_mark="<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>",
        picture_tokens=grid_tokens,
        picture_patches=grid_patches,
    ),
)
