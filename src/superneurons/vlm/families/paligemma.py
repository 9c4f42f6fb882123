"""PaliGemma and PaliGemma 2: the pictures and the question see each other in both directions.

The two differ in their language model only (Gemma, Gemma 2). There is no chat template: the
processor itself puts the first token after the pictures and a line's end after the question. What
comes after the prompt is told from it by ``token_type_ids``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from superneurons.vlm.family import Family

__all__ = ["FAMILIES"]


def _processor(path: str, **options: Any) -> Any:
    return _for_asking().from_pretrained(path, **options)


@cache
def _for_asking() -> type[Any]:
    """The processor without the labels that it makes for training; of tensors, with a warning."""
    from transformers import PaliGemmaProcessor

    class Asking(PaliGemmaProcessor):
        def __call__(self, *, return_tensors: str, **asked: Any) -> Any:
            batch = super().__call__(**asked)
            del batch["labels"]
            return batch.convert_to_tensors(return_tensors)

    return Asking


FAMILIES = (
    Family(
        name="PaliGemma",
        model_types=("paligemma",),
        model_class="PaliGemmaForConditionalGeneration",
        vision=("model.vision_tower",),
        projector=("model.multi_modal_projector",),
        processor=_processor,
        template="{pictures}answer en {question}",
        answer_type=1,
    ),
)
