"""Pixtral's processor on Pillow: the one of ``transformers`` can't be had without torchvision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch
from PIL.Image import Image

__all__ = ["load_pixtral_processor"]


def load_pixtral_processor(path: str, **options: Any) -> Any:
    """Load Pixtral's processor of a checkpoint.

    Parameters
    ----------
    path, **options
        As for ``from_pretrained``.

    Returns
    -------
    ProcessorMixin
        Makes what ``PixtralProcessor`` does of pictures and text: ``input_ids``,
        ``attention_mask``, ``pixel_values`` padded to the largest picture, and ``image_sizes``.

    Notes
    -----
    A picture is one ``image_token`` for each patch, or square of patches that are merged, with an
    ``image_break_token`` after each row and an ``image_end_token`` after the last
    (``transformers.models.pixtral.processing_pixtral``).
    """
    return _processor_class().from_pretrained(path, **options)


@cache
def _processor_class() -> type[Any]:
    from transformers import ProcessorMixin

    class PixtralProcessor(ProcessorMixin):  # the name that checkpoints ask for
        def __init__(
            self,
            image_processor: Any = None,
            tokenizer: Any = None,
            patch_size: int = 16,
            spatial_merge_size: int = 1,
            chat_template: str | None = None,
            image_token: str = "[IMG]",
            image_break_token: str = "[IMG_BREAK]",
            image_end_token: str = "[IMG_END]",
            **_: Any,
        ) -> None:
            super().__init__(image_processor, tokenizer, chat_template=chat_template)
            self.patch_size, self.spatial_merge_size = patch_size, spatial_merge_size
            self.image_token, self.image_break_token = image_token, image_break_token
            self.image_end_token = image_end_token

        def __call__(
            self, images: Sequence[Sequence[Image]], text: Sequence[str], **options: Any
        ) -> dict[str, torch.Tensor]:
            step = self.patch_size * self.spatial_merge_size
            flat = [picture for pictures in images for picture in pictures]
            pixels = self.image_processor(flat, patch_size=step, return_tensors="pt")
            shown = iter(
                [self._tokens(int(h) // step, int(w) // step) for h, w in pixels["image_sizes"]]
            )
            expanded = [self._expand(prompt, shown) for prompt in text]
            return {**self.tokenizer(expanded, **options), **pixels}

        def _tokens(self, rows: int, columns: int) -> str:
            lines = [self.image_token * columns] * rows
            return self.image_break_token.join(lines) + self.image_end_token

        def _expand(self, prompt: str, shown: Iterator[str]) -> str:
            head, *tails = prompt.split(self.image_token)
            return head + "".join(next(shown) + tail for tail in tails)

    return PixtralProcessor
