"""Molmo2's processor without torchvision and videos: the one of ``transformers`` needs both."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.nn import functional as F

__all__ = ["load_molmo2_processor"]

_FILTERS = {2: "bilinear", 3: "bicubic"}
"""Of Pillow's filters, by number: those that resize without smoothing first."""


def load_molmo2_processor(path: str, **options: Any) -> Any:
    """Load Molmo2's processor of a checkpoint.

    Parameters
    ----------
    path, **options
        As for ``from_pretrained``.

    Returns
    -------
    ProcessorMixin
        Makes what ``Molmo2Processor`` does of pictures and text: a small view of each picture and
        its overlapping crops, as patches, and which patches each of its tokens is pooled from.

    Notes
    -----
    Crops and tokens are those of ``transformers.models.molmo2``. Pictures are resized by PyTorch,
    as torchvision does it, which is not how Pillow would.
    """
    from transformers import AutoTokenizer

    options.pop("backend", None)  # there is only this one
    processor, pictures = _classes()
    settings, _ = processor.get_processor_dict(path, **options)
    parts = {
        "image_processor": pictures.from_pretrained(path, **options),
        "tokenizer": AutoTokenizer.from_pretrained(path, **options),
        "video_processor": None,
    }
    return processor(**{**settings, **parts})


@cache
def _classes() -> tuple[type[Any], type[Any]]:
    from transformers import Molmo2Processor, ProcessorMixin
    from transformers.models.molmo2.image_processing_molmo2 import Molmo2ImageProcessor

    class OfPictures(ProcessorMixin):  # where Molmo2's calls its super class
        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

        def __init__(self, pictures: Any, _videos: Any, words: Any, **settings: Any) -> None:
            super().__init__(pictures, words, **settings)

    class Processor(Molmo2Processor, OfPictures):
        pass

    class Pictures(Molmo2ImageProcessor):
        def resize(self, image: torch.Tensor, size: Any, resample: int, **_: Any) -> torch.Tensor:
            wanted = (size.height, size.width)
            return F.interpolate(image, wanted, mode=_FILTERS[int(resample)], align_corners=False)

        def normalize(
            self, image: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, **_: Any
        ) -> torch.Tensor:
            return (image - mean[:, None, None]) / std[:, None, None]

    return Processor, Pictures
