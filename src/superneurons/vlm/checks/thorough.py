"""Checks that take longer: more records, every way to run them, and opening the model again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from superneurons.errors import DataError, ResourceError
from superneurons.task.record import Record
from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.checks.check import Check, attempted, exact, rounding
from superneurons.vlm.checks.layers import depths_of
from superneurons.vlm.checks.states import same
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.inputs import Inputs, LastStates
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import workable_prompt
from superneurons.vlm.taps import KINDS, Kind

__all__ = ["eight_records", "thorough_checks"]

_SIZES = ((64, 64), (96, 56), (48, 112), (70, 72))
_COLUMNS = 64


def eight_records() -> list[Record]:
    """Noise in four sizes, with questions of three lengths."""
    rng = np.random.default_rng(1)
    records = []
    for number in range(8):
        width, height = _SIZES[number // 2]
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        records.append(Record((picture,), "Is it bright?" + " Or not?" * (number % 3)))
    return records


def thorough_checks(
    vlm: VLM,
    reopen: Callable[[int], VLM],
    *,
    without: Sequence[str] = (),
    acceleration: Acceleration = "auto",
) -> tuple[list[Check], dict[str, str]]:
    """Make the checks that only ``superneurons verify`` makes.

    Parameters
    ----------
    vlm
        The whole model; that it can be read is known.
    reopen
        Opens the same model as deep as it is told.
    without
        Kinds of sites that are known not to work.
    acceleration
        How early exits run.

    Returns
    -------
    list of Check
        Those that were made.
    dict
        Why others were not, by their names.
    """
    kinds = [kind for kind in KINDS if kind not in (*vlm.family.lacks, *without)]
    made = [
        attempted("batches", lambda: _batches(vlm, kinds)),
        attempted("exit", lambda: _exits(vlm, kinds, acceleration)),
    ]
    try:
        made.append(attempted("opening", lambda: _opening(vlm, reopen)))
    except ResourceError as error:
        return made, {"opening": error.what}
    return made, {}


def _encoded(vlm: VLM, records: Sequence[Record], side: str = "right") -> Inputs:
    prompt = workable_prompt(vlm.processor, vlm.family)
    return vlm.encode(records, prompt, padding_side=side)


def _batches(vlm: VLM, kinds: Sequence[Kind]) -> Check:
    records = eight_records()
    expected = vlm.last_states(_encoded(vlm, records), kinds)
    pairs, refused = [], ""
    try:
        pairs.append((expected, vlm.last_states(_encoded(vlm, records, "left"), kinds)))
    except DataError as error:  # as `padding` says, too
        refused = f"; not padded on the left: {error.what}"
    for row, record in enumerate(records):
        one = LastStates({kind: part[[row]] for kind, part in expected.parts.items()}, None)
        pairs.append((one, vlm.last_states(_encoded(vlm, [record]), kinds)))
    found = same("batches", vlm, pairs)
    return replace(found, detail=found.detail + refused)


def _exits(vlm: VLM, kinds: Sequence[Kind], acceleration: Acceleration) -> Check:
    """Read neurons of each kind by an early exit, twice: the second time as it runs from then on.

    What it says of falling back to the plain model is a failure.
    """
    inputs = _encoded(vlm, eight_records())
    whole = vlm.last_states(inputs, kinds)
    shares: dict[str, float] = {}
    paths, allowed = set(), rounding(vlm.dtype, vlm.device)
    for kind in kinds:
        layers, width = vlm.shape(kind)
        chosen = sorted({1, (layers + 1) // 2})
        columns = np.linspace(0, width - 1, min(width, _COLUMNS), dtype=np.int64).tolist()
        leave = EarlyExit(
            vlm,
            [layer for layer in chosen for _ in columns],
            columns * len(chosen),
            kind=kind,
            acceleration=acceleration,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", AccelerationWarning)
            found = [leave(inputs).view(len(inputs), len(chosen), -1) for _ in "ab"]
        expected = whole.parts[kind][:, [layer - 1 for layer in chosen]][..., columns]
        shares[kind] = max(allowed.apart(expected, each) for each in found)
        paths.add(leave.path)
    worst = max(shares, key=lambda kind: shares[kind])
    detail = f"{', '.join(sorted(paths))}: relative {shares[worst]:.1e} ({worst})"
    limit = 0.5 if "fp8" in paths else allowed.limit
    return Check("exit", shares[worst] <= limit, detail)


def _opening(vlm: VLM, reopen: Callable[[int], VLM]) -> Check:
    records = eight_records()[:4]
    whole = vlm.last_states(_encoded(vlm, records)).residual
    shares, allowed = {}, exact(vlm.dtype, vlm.device)
    for depth in depths_of(vlm):
        part = reopen(depth)
        found = part.last_states(_encoded(part, records)).residual
        shares[depth] = allowed.apart(whole[:, :depth], found)
    detail = f"relative {max(shares.values()):.1e} at layers {', '.join(map(str, shares))}"
    return Check("opening", max(shares.values()) <= allowed.limit, detail)
