"""Products in 8-bit floating point, for GPUs that have them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from superneurons.errors import ModelError
from superneurons.vlm.lean.dense import Beside, Dense
from superneurons.vlm.lean.passing import Lean

__all__ = ["EightBit", "eight_bit"]

_T = TypeVar("_T")
_FORMAT = torch.float8_e4m3fn
_LARGEST = torch.finfo(_FORMAT).max
_STEP = 16  # both sides of a matrix must be multiples of this


@dataclass(eq=False)
class EightBit(Dense):
    """An affine map whose product is made of 8-bit numbers, one scale for each row and output.

    The weights are rounded once, activations as they come; sums are in float32.

    Parameters
    ----------
    rounded
        Weights, shape (out, in), 8 bits.
    scale
        Of each output, shape (1, out), float32.
    """

    rounded: torch.Tensor = dataclasses.field(default_factory=lambda: torch.empty(0))
    scale: torch.Tensor = dataclasses.field(default_factory=lambda: torch.empty(0))

    @classmethod
    def rounding(cls, dense: Dense) -> EightBit:
        """Round a map's weights."""
        weight = dense.weight.float()
        scale = (weight.abs().amax(dim=1, keepdim=True) / _LARGEST).clamp(min=1e-12)
        return cls(dense.weight, dense.bias, (weight / scale).to(_FORMAT), scale.T.contiguous())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (…, in) to (…, out)."""
        flat = x.flatten(0, -2)
        scale = (flat.abs().amax(dim=1, keepdim=True).float() / _LARGEST).clamp(min=1e-12)
        found = torch._scaled_mm(
            (flat / scale).clamp(-_LARGEST, _LARGEST).to(_FORMAT),
            self.rounded.T,
            scale_a=scale,
            scale_b=self.scale,
            bias=self.bias,
            out_dtype=x.dtype,
            use_fast_accum=True,
        )
        return torch.unflatten(found, 0, x.shape[:-1])


def eight_bit(lean: Lean) -> Lean:
    """Return the same pass with its tower's and projector's products in 8 bits.

    The decoder layers stay as they are: they read few rows, or feed what is read.

    Raises
    ------
    ModelError
        When the device has no such products.
    """
    device = lean.vectors.device
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 9):
        raise ModelError(
            f"The device {device} has no products in 8-bit floating point.",
            where="acceleration",
            mend="Use 'graphs' or 'compiled', or a GPU of compute capability 8.9 or more.",
        )
    return dataclasses.replace(lean, tower=_rounded(lean.tower))


def _rounded(part: _T) -> _T:
    """Rebuild a dataclass with every map in it rounded, where its sides allow."""
    found: Any = part
    if isinstance(found, Beside):
        packed = found.packed and _rounded(found.packed)
        return Beside(found.parts if packed else tuple(map(_rounded, found.parts)), packed)  # type: ignore[return-value]
    if isinstance(found, Dense):
        fits = all(side % _STEP == 0 for side in found.weight.shape)
        return EightBit.rounding(found) if fits else part  # type: ignore[return-value]
    if isinstance(found, tuple):
        return tuple(map(_rounded, found))  # type: ignore[return-value]
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        names = [f.name for f in dataclasses.fields(found) if f.init]
        return dataclasses.replace(found, **{n: _rounded(getattr(found, n)) for n in names})  # type: ignore[return-value]
    return part
