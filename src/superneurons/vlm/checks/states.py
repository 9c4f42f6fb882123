"""Checks on states: that they can be read, and what must and must not move them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image

from superneurons.task.images import open_image
from superneurons.task.record import Record
from superneurons.vlm.checks.check import Check, rounding, said
from superneurons.vlm.model import VLM, Inputs, LastStates
from superneurons.vlm.prompt import workable_prompt
from superneurons.vlm.taps import KINDS, PICTURE_KINDS, Kind

__all__ = ["batch", "finite", "padding", "pictures", "readable", "same", "site"]


def readable(vlm: VLM, inputs: Inputs) -> tuple[LastStates, dict[Kind, str]]:
    """Read every kind of site that the family doesn't lack, with logits, in one pass.

    Returns
    -------
    LastStates
        Of the kinds that can be read.
    dict
        Why the others can't.

    Raises
    ------
    Exception
        Whatever a pass raises that reads nothing but the residual stream.
    """
    broken: dict[Kind, str] = {}
    kinds = [kind for kind in KINDS if kind not in vlm.family.lacks]
    try:
        return vlm.last_states(inputs, kinds, logits=True), broken
    except torch.OutOfMemoryError:
        raise
    except Exception:
        for kind in kinds[1:]:
            try:
                vlm.last_states(inputs, ["residual", kind])
            except Exception as error:
                broken[kind] = said(error)
    kept = [kind for kind in kinds if kind not in broken]
    return vlm.last_states(inputs, kept, logits=True), broken


def finite(full: LastStates) -> Check:
    """Whether no activation is infinite or no number."""
    wrong = [kind for kind, states in full.parts.items() if not states.isfinite().all()]
    detail = f"largest {full.residual.abs().max():.3g}"
    return Check("finite", not wrong, f"not so: {', '.join(wrong)}" if wrong else detail)


def site(vlm: VLM, inputs: Inputs, full: LastStates, kind: Kind) -> Check:
    """Whether a kind gives one vector per layer, of the width it should have.

    Sites of pictures are read once more without any decoder layer, and have to be the same.

    Parameters
    ----------
    vlm
        The model.
    inputs, full
        A batch and what was read of it.
    kind
        Which was read.
    """
    (layers, width), states = vlm.shape(kind), full.parts[kind]
    right = tuple(states.shape[1:]) == (layers, width)
    detail = f"{layers} layers of {width}"
    if kind == "heads":
        right = right and width % vlm.head_dim == 0
        detail = f"{layers} layers of {width // vlm.head_dim} heads of {vlm.head_dim}"
    if not right:
        detail += f"; read: {states.shape[1]} of {states.shape[2]}"
    elif kind in PICTURE_KINDS:
        allowed = rounding(vlm.dtype, vlm.device)
        share = allowed.apart(states, vlm.last_states(inputs, [kind]).parts[kind])
        right = share <= allowed.limit
        detail += f"; without a decoder relative {share:.1e}"
    return Check(f"site {kind}", right, detail)


def padding(vlm: VLM, padded_left: Inputs, full: LastStates) -> Check:
    """Whether a batch padded on the left gives what it does padded on the right."""
    return same("padding", vlm, [(full, vlm.last_states(padded_left, list(full.parts)))])


def batch(vlm: VLM, alone: Sequence[Inputs], full: LastStates) -> Check:
    """Whether the first and the last record of a batch give the same by themselves."""
    found = [vlm.last_states(each, list(full.parts)) for each in alone]
    return same("batch", vlm, list(zip((_row(full, 0), _row(full, -1)), found, strict=True)))


def pictures(vlm: VLM, record: Record) -> Check:
    """Whether another second picture gives a record of two something else, in half the layers."""
    first, second = record.images
    turned = open_image(second).transpose(Image.Transpose.ROTATE_180)
    shallow = vlm.truncated(vlm.n_layers // 2 or 1)
    two, prompt = (
        replace(record, images=(first, turned)),
        workable_prompt(vlm.processor, vlm.family),
    )
    both = shallow.last_states(shallow.encode([record, two], prompt))
    # The two rows are computed alike: nothing rounds differently.
    noise = rounding(torch.float32, torch.device("cpu"))
    share = noise.apart(both.residual[:1], both.residual[1:])
    return Check("pictures", share > noise.limit, f"relative {share:.1e}")


def same(name: str, vlm: VLM, pairs: Sequence[tuple[LastStates, LastStates]]) -> Check:
    """Whether states are the same, every kind, but for the rounding of the model's dtype."""
    allowed = rounding(vlm.dtype, vlm.device)
    shares = {
        kind: max(allowed.apart(first.parts[kind], second.parts[kind]) for first, second in pairs)
        for kind in pairs[0][0].parts
    }
    worst = max(shares, key=lambda kind: shares[kind])
    passed = shares[worst] <= allowed.limit
    return Check(name, passed, f"relative {shares[worst]:.1e} ({worst})")


def _row(states: LastStates, row: int) -> LastStates:
    return LastStates({kind: part[[row]] for kind, part in states.parts.items()}, None)
