"""A check: what should hold, what was found, and what to do where it doesn't hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch

from superneurons.errors import ResourceError, SuperNeuronsError

__all__ = [
    "MEANINGS",
    "ONLY_THOROUGH",
    "Check",
    "Meaning",
    "Tolerance",
    "attempted",
    "exact",
    "rounding",
    "said",
]

# Rounding steps by which the same sums in another order may differ after tens of layers; in half
# precision that many steps are no limit at all: half of a value is, which tells gross errors only.
_SLACK, _MOST = 512, 0.5
_SHARE = 0.95
# By default convolutions of float32 are rounded to a thousandth (TF32) on CUDA, products aren't.
_TF32 = 0.01
# The same sums in the same order: a few steps, for a device that splits them otherwise once.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a check is for.

    Parameters
    ----------
    holds
        What should hold.
    mend
        What to do where it doesn't.
    """

    holds: str
    mend: str


_SITE = "One finite vector comes from each layer of this site, of the width it should have."

MEANINGS: Mapping[str, Meaning] = {
    "run": Meaning(
        "Made-up records run through the model, and its last token can be read.",
        "Check the processor's files beside the weights, and that the installed transformers "
        "knows this checkpoint; in the family, `processor`, `picture_mark` and `trunk`.",
    ),
    "layers": Meaning(
        "There are as many decoder layers as config.json says, and a pass runs each once, in "
        "order.",
        "Let the family's `decoder` and `layers_name` name the layers that the language model "
        "runs; layers that are skipped or shared cannot be left early.",
    ),
    "between": Meaning(
        "At the last prompt token nothing changes between a layer and the next, nor between the "
        "last one and the final norm.",
        "What the model does there has to be part of what is read: this family can't be described "
        "by its layers' outputs alone.",
    ),
    "finite": Meaning(
        "All activations are finite numbers.",
        "Open it in another dtype (bfloat16 or float32), or download the weights again.",
    ),
    "cut-off": Meaning(
        "Cut off after a layer, the model leaves there what the whole one does.",
        "Something before that layer depends on how many there are: set what has to change with "
        "the depth, or describe what a layer reads of the configuration.",
    ),
    "restart": Meaning(
        "From the state after a layer, the layers after it give the model's own logits, whatever "
        "the layers before it did.",
        "Later layers read more than the state (shared keys and values, say), so that nothing can "
        "go on from where a model was left: don't use a cascade, and report it.",
    ),
    "logits": Meaning(
        "The logits that answers are scored by are those of the model's own forward pass.",
        "The base model would be scored by other answers than its own: look for what it does to "
        "its logits (a cap, a scale), and at which token they are read.",
    ),
    "norm": Meaning(
        "The final norm is given the last state and gives the head its input; the last state "
        "itself would give other logits.",
        "The last state is normed already, or another norm comes after it: correct the family's "
        "`norm_name`, or what its last layer is.",
    ),
    "padding": Meaning(
        "The side that a batch is padded on does not move the states.",
        "The model doesn't heed its attention mask: use batches of one, and report it.",
    ),
    "batch": Meaning(
        "The rest of a batch does not move the states, with pictures of other sizes, too.",
        "Pictures are counted to the wrong records (`picture_patches`, `record_tiles`), or padding "
        "is seen: use batches of one, and report it.",
    ),
    "pictures": Meaning(
        "A record's second picture moves the states.",
        "The mark for a picture (`picture_mark`) or the order of pictures is wrong.",
    ),
    "site mlp": Meaning(_SITE, "Correct `mlp_output`, or let the family lack `mlp`."),
    "site heads": Meaning(_SITE, "Correct `heads_output`, or let the family lack `heads`."),
    "site vision": Meaning(
        _SITE, "Correct `vision`, `tower_count` and `tower_width`, or let it lack `vision`."
    ),
    "site projector": Meaning(_SITE, "Correct `projector`, or let the family lack `projector`."),
    "lean": Meaning(
        "An early exit that computes only what is read gives what the whole model does.",
        "Use --acceleration off, and report it: the family's lean pass doesn't fit this model.",
    ),
    "batches": Meaning(
        "States of eight records of four sizes are the same alone, in one batch, and padded on "
        "either side.",
        "As for `padding` and `batch`.",
    ),
    "exit": Meaning(
        "Neurons read by an early exit, of every site, are what the whole model gives.",
        "As for `lean`, where that fails; else as for `cut-off`.",
    ),
    "opening": Meaning(
        "Opened only as deep as it is read, the model gives what the whole one does.",
        "Look at the names of the checkpoint's tensors: one that a first layer needs is taken for "
        "a later one's.",
    ),
}
"""Every check by its name, in the order they are made in."""

ONLY_THOROUGH = ("batches", "exit", "opening")
"""Those that only `superneurons verify` makes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """One property of an opened model, and whether it has it.

    Parameters
    ----------
    name
        One of :data:`MEANINGS`.
    passed
        Whether it holds.
    detail
        The figure behind it.
    """

    name: str
    passed: bool
    detail: str

    @property
    def holds(self) -> str:
        """What should hold."""
        return MEANINGS[self.name].holds

    @property
    def mend(self) -> str:
        """What to do where it doesn't."""
        return MEANINGS[self.name].mend


def attempted(name: str, make: Callable[[], T]) -> T | Check:
    """Do what a check needs, or return that it has failed.

    Parameters
    ----------
    name
        The check's.
    make
        What to do; whatever a wrong description of a model makes it raise is a failure.

    Raises
    ------
    ResourceError
        When there is too little memory to tell.
    """
    try:
        return make()
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            f"There is too little memory for the check {name!r}: {said(error)}",
            where=name,
            mend="Free memory or open the model in a smaller dtype; if it was checked elsewhere, "
            "open it without checks (verify=False).",
        ) from error
    except ResourceError:
        raise
    except Exception as error:
        return Check(name, False, said(error))


def said(error: Exception) -> str:
    """Say in one line what an error says."""
    line = next(iter(str(error).strip().splitlines()), "")
    return line if isinstance(error, SuperNeuronsError) else f"{type(error).__name__}: {line}"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two ways to compute the same may be.

    Parameters
    ----------
    share
        Of how many values of each layer: sums that nearly cancel round differently, and what is
        described wrongly moves nearly all of them.
    limit
        By how much at most, relative to each value and to the spread of its layer.
    """

    share: float
    limit: float

    def apart(self, expected: torch.Tensor, found: torch.Tensor) -> float:
        """Return how far values are apart; infinitely, where one is no number or shapes differ.

        Parameters
        ----------
        expected, found
            Shape (B, L, W), any dtype.
        """
        if expected.shape != found.shape:
            return float("inf")
        a, b = expected.float(), found.float()
        spread = a.std(dim=(0, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        gaps = (a - b).abs() / (a.abs() + spread)
        if not gaps.isfinite().all():
            return float("inf")
        counted = max(1, math.ceil(self.share * gaps.shape[-1]))
        return float(gaps.kthvalue(counted, dim=-1).values.amax())


def rounding(dtype: torch.dtype, device: torch.device) -> Tolerance:
    """Return how far apart the same sums in another order may be, for 95 % of values."""
    limit = min(_SLACK * torch.finfo(dtype).eps, _MOST)
    if device.type != "cpu":
        limit = max(limit, _TF32)
    return Tolerance(_SHARE, limit)


def exact(dtype: torch.dtype, device: torch.device) -> Tolerance:
    """Return how far apart the same sums in the same order may be, for all values.

    On a CPU 8 steps of the dtype's rounding (1e-6 in float32); other devices may add up in another
    order each time, so that it is :func:`rounding` there.
    """
    if device.type == "cpu":
        return Tolerance(1.0, _FEW * torch.finfo(dtype).eps)
    return rounding(dtype, device)
