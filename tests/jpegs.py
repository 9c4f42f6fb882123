"""JPEG files made up, and a stand-in for the decoder of a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from superneurons.vlm import jpeg


def picture(height: int = 40, width: int = 56, mode: str = "RGB") -> Image.Image:
    """A smooth picture, of another brightness for every size."""
    y, x = np.mgrid[:height, :width]
    levels = [128 + 100 * np.sin(x / (9 + c) + y / (13 - c) + height) for c in range(3)]
    return Image.fromarray(np.stack(levels, 2).astype(np.uint8)).convert(mode)


def jpeg_of(shown: Image.Image | None = None, **options: Any) -> bytes:
    """A picture as a JPEG file; options are those of Pillow."""
    written = BytesIO()
    (shown or picture()).save(written, "JPEG", **{"quality": 90, **options})
    return written.getvalue()


def levels_of(content: bytes) -> torch.Tensor:
    """What Pillow decodes, (H, W, 3) uint8."""
    return torch.from_numpy(np.array(Image.open(BytesIO(content)).convert("RGB")))


class Decoder(ModuleType):
    """In the place of ``torchvision.io``: Pillow's levels, moved by some; keeps what it was given.

    It decodes whatever it is given, as if a wrong picture were never refused.
    """

    ImageReadMode = SimpleNamespace(RGB="RGB")

    def __init__(self, off: int = 1) -> None:
        super().__init__("torchvision.io")
        self.off = off
        self.given: list[bytes] = []
        self.refuses: Callable[[bytes], bool] = lambda _: False

    def decode_jpeg(self, held: torch.Tensor, *, mode: str, device: torch.device) -> torch.Tensor:
        assert held.dtype == torch.uint8
        assert mode == "RGB"
        content = held.numpy().tobytes()
        self.given.append(content)
        if self.refuses(content):
            raise RuntimeError("nvjpegDecode failed: 2\nmore of it")
        levels = (levels_of(content).int() + self.off).clamp(0, 255).to(torch.uint8)
        return levels.permute(2, 0, 1).contiguous().to(device)


def install(
    monkeypatch: pytest.MonkeyPatch, decoder: ModuleType | None, *, on: str = "cpu"
) -> None:
    """Put a decoder in torchvision's place, or nothing; devices are not known yet."""
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision") if decoder else None)
    monkeypatch.setitem(sys.modules, "torchvision.io", decoder)
    monkeypatch.setattr(jpeg, "_DEVICES", (on,))
    monkeypatch.setattr(jpeg, "_reasons", {})
