"""Check on a model itself that it can be read and cut off where its family says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch

from superneurons.errors import Problem, SuperNeuronsError, VerificationError
from superneurons.task.record import Record
from superneurons.vlm.checks import head, layers, lean, states
from superneurons.vlm.checks.check import (
    MEANINGS,
    ONLY_THOROUGH,
    Check,
    attempted,
    said,
)
from superneurons.vlm.checks.own_pass import Cut, OwnPass, cut_pass, made_up_records, own_pass
from superneurons.vlm.inputs import Inputs, LastStates
from superneurons.vlm.lean.opening import lean_of, why_not_lean
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt, workable_prompt
from superneurons.vlm.taps import KINDS, Kind

__all__ = ["Check", "Findings", "examine", "made_up_records", "require_verified", "verify"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks on a model found.

    Parameters
    ----------
    checks
        Those that were made.
    left_out
        Why others were not, by their names.
    """

    checks: tuple[Check, ...]
    left_out: Mapping[str, str]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that don't hold."""
        return tuple(check for check in self.checks if not check.passed)


def verify(vlm: VLM) -> list[Check]:
    """Run a model on made-up records and check what a classifier relies on: :func:`examine`."""
    return list(examine(vlm).checks)


def examine(vlm: VLM) -> Findings:
    """Run a model on made-up records and check what a classifier relies on.

    What each check is for says :data:`superneurons.vlm.checks.check.MEANINGS`. They take about
    thirty passes over one picture. How far apart states may be says
    :class:`superneurons.vlm.checks.check.Tolerance`.

    Parameters
    ----------
    vlm
        The whole model.

    Raises
    ------
    ModelError
        When it was cut off.
    ResourceError
        When there is too little memory.

    Notes
    -----
    They put hooks on the model's parts; its other threads wait meanwhile.
    """
    depth = attempted("run", lambda: vlm.depth)
    if not isinstance(depth, Check):
        vlm.require_whole("answer to check it by")
    passes = depth if isinstance(depth, Check) else attempted("run", lambda: _run(vlm))
    if isinstance(passes, Check):
        return Findings((passes,), _rest(("run",), "the model doesn't run"))
    sizes = passes.inputs.tensors["attention_mask"].sum(dim=1).tolist()
    ran = Check("run", True, f"prompts of {', '.join(map(str, sizes))} tokens")
    counted = attempted("layers", lambda: layers.layers(vlm, passes.own))
    if not counted.passed:
        left_out = _rest(("run", "layers"), "the layers are not as described")
        return Findings((ran, counted), left_out)
    left_out = _left_out(vlm, passes)
    checks = {name: make for name, make in _plan(vlm, passes).items() if name not in left_out}
    made = (attempted(name, make) for name, make in checks.items())
    return Findings((ran, counted, *made), left_out)


def require_verified(vlm: VLM) -> Findings:
    """Raise unless every check of :func:`examine` holds.

    Returns
    -------
    Findings
        What they found.

    Raises
    ------
    VerificationError
        Lists the checks that failed, and what to do about each.
    """
    findings = examine(vlm)
    if findings.failed:
        raise VerificationError(
            f"{vlm.name!r} cannot be read the way its family ({vlm.family.name}) is described.",
            problems=[
                Problem(
                    check.name, f"{check.detail.rstrip('.')}. Expected: {check.holds} {check.mend}"
                )
                for check in findings.failed
            ],
            mend="Don't trust its answers before that is mended; `superneurons verify` makes all "
            "checks and prints what to report. To open it all the same: verify=False, or "
            "SUPERNEURONS_VERIFY=off.",
        )
    return findings


@dataclass(frozen=True)
class _Passes:
    """What was run for several checks: a batch, and its first and last record by themselves."""

    records: Sequence[Record]
    inputs: Inputs
    full: LastStates
    broken: Mapping[str, str]
    padded_left: Inputs | str
    alone: Sequence[Inputs]
    own: Sequence[OwnPass]
    vlm: VLM

    @cached_property
    def cuts(self) -> list[list[Cut]]:
        """Of each record by itself, what the model leaves when it is cut off."""
        depths = layers.depths_of(self.vlm)
        return [[cut_pass(self.vlm, depth, each) for depth in depths] for each in self.alone]


def _run(vlm: VLM) -> _Passes:
    records, prompt = made_up_records(), workable_prompt(vlm.processor, vlm.family)
    inputs = vlm.encode(records, prompt)
    full, broken = states.readable(vlm, inputs)
    alone = [vlm.encode([records[row]], prompt) for row in (0, -1)]
    return _Passes(
        records=records,
        inputs=inputs,
        full=full,
        broken={f"site {kind}": why for kind, why in broken.items()},
        padded_left=_padded_left(vlm, records, prompt),
        alone=alone,
        own=[own_pass(vlm, each) for each in alone],
        vlm=vlm,
    )


def _padded_left(vlm: VLM, records: Sequence[Record], prompt: Prompt) -> Inputs | str:
    """The batch, or why the model takes none that is padded there."""
    try:
        return vlm.encode(records, prompt, padding_side="left")
    except SuperNeuronsError as error:
        return said(error)


def _rest(made: Sequence[str], reason: str) -> dict[str, str]:
    return {name: reason for name in MEANINGS if name not in (*made, *ONLY_THOROUGH)}


def _left_out(vlm: VLM, passes: _Passes) -> dict[str, str]:
    """Which checks don't apply to a model, and why."""
    found = {f"site {kind}": "the family has no such site" for kind in vlm.family.lacks}
    if isinstance(passes.padded_left, str):
        found["padding"] = passes.padded_left
    if any(own.logits is None for own in passes.own):
        reason = "the logits of all tokens don't fit, and it can't be asked for the last one's"
        found |= {"restart": reason, "logits": reason}
    if lean_of(vlm) is None:
        found["lean"] = why_not_lean(vlm)
    return found


def _plan(vlm: VLM, passes: _Passes) -> dict[str, Callable[[], Check]]:
    """All checks after the first two, in their order."""
    full, own = passes.full, passes.own
    return {
        "between": lambda: layers.between(own),
        "finite": lambda: states.finite(full),
        "cut-off": lambda: layers.cut_off(vlm, passes.cuts, own),
        "restart": lambda: layers.restart(vlm, passes.alone, passes.cuts, own),
        "logits": lambda: head.logits(vlm, cast(torch.Tensor, full.logits)[[0, -1]], own),
        "norm": lambda: head.norm(vlm, own),
        "padding": lambda: states.padding(vlm, cast(Inputs, passes.padded_left), full),
        "batch": lambda: states.batch(vlm, passes.alone, full),
        "pictures": lambda: states.pictures(vlm, passes.records[-1]),
        **{f"site {kind}": _site(vlm, passes, kind) for kind in KINDS if kind != "residual"},
        "lean": lambda: lean.lean_pass(vlm, cast(Lean, lean_of(vlm)), passes.inputs, full),
    }


def _site(vlm: VLM, passes: _Passes, kind: Kind) -> Callable[[], Check]:
    name = f"site {kind}"
    if name in passes.broken:
        return lambda: Check(name, False, passes.broken[name])
    return lambda: states.site(vlm, passes.inputs, passes.full, kind)
