"""Check on a model itself that it can be read and cut off where its family says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from superneurons.errors import ModelError, Problem
from superneurons.task.record import Record
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM, Inputs, LastStates
from superneurons.vlm.taps import KINDS, PICTURE_KINDS, Kind

__all__ = ["Check", "made_up_records", "require_verified", "verify"]

# Rounding steps by which the same sums in another order may differ after tens of layers; in half
# precision that many steps are no limit at all, and a quarter is.
_SLACK, _MOST = 512, 0.25


@dataclass(frozen=True, slots=True)
class Check:
    """One property of an opened model.

    Parameters
    ----------
    name
        What should hold.
    passed
        Whether it does.
    detail
        The figure behind it.
    """

    name: str
    passed: bool
    detail: str


def verify(vlm: VLM) -> list[Check]:
    """Run a model on two made-up pictures and check what a classifier relies on.

    That the last prompt position can be read, that the model cut off at a layer leaves there what
    the whole model does, that neither padding nor the rest of a batch moves it, and that a last
    layer computed only where it is read gives the same, where the family is known well enough.

    Parameters
    ----------
    vlm
        The whole model.
    """
    short, long = made_up_records()
    inputs = vlm.encode([short, long])
    full = vlm.last_states(inputs, logits=True)
    checks = [
        _finite(full),
        *(_cut(vlm, (short, long), full, depth) for depth in sorted({1, vlm.n_layers // 2 or 1})),
        _same(
            "padding side", full, vlm.last_states(vlm.encode([short, long], padding_side="left"))
        ),
    ]
    alone = vlm.last_states(vlm.encode([short]))
    both = _residual(full.residual[:1])
    there = [kind for kind in KINDS if kind != "residual" and kind not in vlm.family.lacks]
    sites = [_site(vlm, short, kind) for kind in there]
    checks += [_same("batch size", both, alone), _head(vlm, full), *sites]
    return [*checks, *_lean(vlm, inputs)]


def require_verified(vlm: VLM) -> None:
    """Raise unless every check of :func:`verify` holds.

    Raises
    ------
    ModelError
        Lists the checks that failed.
    """
    failed = [check for check in verify(vlm) if not check.passed]
    if failed:
        raise ModelError(
            f"{vlm.name!r} cannot be read the way its family ({vlm.family.name}) is described.",
            problems=[Problem(check.name, check.detail) for check in failed],
            mend="Report it with the output of `superneurons doctor`; do not trust its answers.",
        )


def made_up_records() -> tuple[Record, Record]:
    """Two pictures of noise, with questions of different lengths."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)) for _ in "ab"]
    return (
        Record((pictures[0],), "Is it bright? Answer yes or no."),
        Record((pictures[1],), "Is it so that this picture is a bright one? Answer yes or no."),
    )


def _finite(full: LastStates) -> Check:
    finite = bool(full.residual.isfinite().all())
    return Check("activations are finite", finite, f"largest {full.residual.abs().max():.3g}")


def _cut(vlm: VLM, records: tuple[Record, Record], full: LastStates, depth: int) -> Check:
    cut = vlm.truncated(depth)
    states = cut.last_states(cut.encode(records))
    expected = _residual(full.residual[:, :depth])
    return _same(f"cut off after layer {depth}", expected, states)


def _site(vlm: VLM, record: Record, kind: Kind) -> Check:
    """Whether a kind of site gives one finite vector per layer, of the width it should have."""
    name = f"the site {kind} can be read"
    try:
        layers, width = vlm.shape(kind)
        states = vlm.last_states(vlm.encode([record]), [kind]).parts[kind]
    except ModelError as error:
        return Check(name, False, str(error).splitlines()[0])
    right = states.shape == (1, layers, width) and bool(states.isfinite().all())
    detail = f"{layers} layers of {width}"
    if kind == "heads":
        right = right and width % vlm.head_dim == 0
        detail = f"{layers} layers of {width // vlm.head_dim} heads of {vlm.head_dim}"
    return Check(name, right, detail)


def _residual(states: torch.Tensor) -> LastStates:
    return LastStates({"residual": states}, None)


def _same(name: str, expected: LastStates, found: LastStates) -> Check:
    """Compare relative to each value and to the spread, with room for the dtype's rounding."""
    share = _apart(expected.residual, found.residual)
    limit = _limit(expected.residual.dtype)
    return Check(f"{name} does not move the states", share <= limit, f"relative {share:.1e}")


def _apart(expected: torch.Tensor, found: torch.Tensor) -> float:
    a, b = expected.float(), found.float()
    return float(((a - b).abs() / (a.abs() + a.std())).amax())


def _lean(vlm: VLM, inputs: Inputs) -> list[Check]:
    """The pass of an early exit against the whole one, at the first, a middle and the last layer.

    Families without it run their layers as a whole: there is nothing to compare.
    """
    lean = lean_of(vlm)
    if lean is None:
        return []
    kinds = [kind for kind in KINDS if kind not in PICTURE_KINDS and _has(vlm, kind)]
    full = vlm.last_states(inputs, kinds)
    depths = sorted({1, vlm.n_layers // 2 or 1, vlm.n_layers})
    return [_lean_to(lean, inputs, full, depth) for depth in depths]


@torch.inference_mode()
def _lean_to(lean: Lean, inputs: Inputs, full: LastStates, depth: int) -> Check:
    name = f"computing layer {depth} only where it is read"
    start = lean.start(inputs.tensors, list(full.parts), deepest=depth)
    found = lean.advance(start, depth, last=True)
    share = max(_apart(s[:, :depth], found.at(kind)) for kind, s in full.parts.items())
    limit = _limit(full.residual.dtype)
    return Check(f"{name} does not move the states", share <= limit, f"relative {share:.1e}")


def _has(vlm: VLM, kind: Kind) -> bool:
    try:
        vlm.shape(kind)
    except ModelError:
        return False
    return True


def _limit(dtype: torch.dtype) -> float:
    return min(_SLACK * torch.finfo(dtype).eps, _MOST)


def _head(vlm: VLM, full: LastStates) -> Check:
    """The last state must be the one *before* the final norm: normed, it gives the same logits."""
    decoder = vlm.model.get_submodule(vlm.family.decoder)
    with torch.inference_mode():
        normed = decoder.get_submodule("norm")(full.residual[:, -1])
        logits = vlm.model.get_output_embeddings()(normed).float()  # type: ignore[operator]
    assert full.logits is not None
    gap = float((logits - full.logits).abs().amax() / full.logits.std())
    limit = _limit(full.residual.dtype)
    return Check("the last state and the final norm give the logits", gap <= limit, f"{gap:.1e}")
