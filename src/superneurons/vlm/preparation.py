"""Where pictures are opened and prepared for a model."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from superneurons.errors import ModelError

__all__ = ["PREPARATIONS", "Preparation", "check_preparation"]

Preparation: TypeAlias = Literal["auto", "device", "processor", "jpeg"]
"""Where pictures are prepared.

``processor``: by the model's own processor, on the CPU. ``device``: opened by Pillow, then prepared
on the model's device, where that is known to give the same. ``jpeg``: the same, and JPEG files are
decoded there too, which doesn't quite give the same (:mod:`superneurons.vlm.jpeg`). ``auto``:
``device`` on a CUDA device, else ``processor``."""

PREPARATIONS: tuple[Preparation, ...] = get_args(Preparation)


def check_preparation(preparation: str) -> None:
    """Refuse a way to prepare pictures that there isn't.

    Raises
    ------
    ModelError
        Names those that there are.
    """
    if preparation not in PREPARATIONS:
        raise ModelError(
            f"Unknown preparation {preparation!r}.",
            where="preparation",
            mend=f"Use one of: {', '.join(PREPARATIONS)}.",
        )
