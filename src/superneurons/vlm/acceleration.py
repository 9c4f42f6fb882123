"""The ways to run an early exit, and which of them a device allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from superneurons.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["ACCELERATIONS", "Acceleration", "check_acceleration", "way_to_run"]

Acceleration: TypeAlias = Literal["auto", "off", "lean", "graphs", "compiled", "fp8"]
"""How an early exit runs.

``off``: the ``transformers`` model, cut off, with hooks. ``lean``: only what the neurons need, as
plain operations. ``graphs``: the same, recorded as CUDA graphs for each shape of batch.
``compiled``: the same with kernels fused by ``torch.compile``, which takes about ten seconds for
each shape. ``fp8``: the same as ``compiled`` with the tower's products in 8-bit floating point,
which moves activations by some percent; for GPUs that have them, in large batches. ``auto``: graphs
on a CUDA device, else lean."""

ACCELERATIONS: tuple[Acceleration, ...] = get_args(Acceleration)


def check_acceleration(acceleration: str) -> None:
    """Refuse a way to run that there isn't.

    Raises
    ------
    ModelError
        Names those that there are.
    """
    if acceleration not in ACCELERATIONS:
        raise ModelError(
            f"Unknown acceleration {acceleration!r}.",
            where="acceleration",
            mend=f"Use one of: {', '.join(ACCELERATIONS)}.",
        )


def way_to_run(
    acceleration: Acceleration, device: torch.device, why_not_lean: str = ""
) -> tuple[str, str]:
    """Return how an early exit will run, and why not faster.

    Parameters
    ----------
    acceleration
        What was asked for.
    device
        Where the model is: graphs need CUDA; all others run the lean pass operation by operation.
    why_not_lean
        Why the model has no lean pass; nothing where it has one.

    Examples
    --------
    >>> import torch
    >>> way_to_run("auto", torch.device("cpu"))
    ('lean', 'graphs need a CUDA device, and the model is on cpu')
    """
    if acceleration == "off":
        return "off", "it was turned off"
    if why_not_lean:
        return "off", why_not_lean
    if acceleration == "lean":
        return "lean", "nothing faster was asked for"
    if device.type != "cuda":
        return "lean", f"graphs need a CUDA device, and the model is on {device}"
    return ("graphs" if acceleration == "auto" else acceleration), ""
