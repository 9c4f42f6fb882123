"""``superneurons verify``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet
from superneurons.cli.status import as_dicts, markdown, print_checks, status_row

if TYPE_CHECKING:
    from superneurons.vlm.acceleration import Acceleration
    from superneurons.vlm.model import VLM
    from superneurons.vlm.verify import Findings

__all__ = ["thoroughly", "verify"]


def verify(
    model: options.Model = "demo",
    acceleration: options.Accelerated = "auto",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Make every check on a model, and print its row of the status table in docs/families.md.

    Exits with 2 when a check fails.
    """
    from superneurons.vlm.exit_report import exit_report

    quiet()
    common: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "revision": revision,
        "trust_remote_code": trust_remote_code,
    }
    vlm, findings = thoroughly(model, acceleration, **common)
    runs = not {"run", "layers", "exit"} & {check.name for check in findings.failed}
    row = status_row(vlm, findings, exit_report(vlm, acceleration) if runs else None)
    if as_json:
        left_out = dict(findings.left_out)
        print_json({"checks": as_dicts(findings.checks), "left_out": left_out, "row": row})
    else:
        print_checks(findings)
        print(f"\n{markdown([row])}")
    if findings.failed:
        sys.exit(2)


def thoroughly(
    model: str, acceleration: Acceleration = "auto", **common: Any
) -> tuple[VLM, Findings]:
    """Open a model, make every check on it, and remember it where all hold.

    Parameters
    ----------
    model, acceleration
        Its name, and how early exits run.
    **common
        Passed on to :func:`superneurons.vlm.opening.open_vlm`.
    """
    from superneurons.vlm.checks.check import ONLY_THOROUGH
    from superneurons.vlm.checks.thorough import thorough_checks
    from superneurons.vlm.opening import open_vlm
    from superneurons.vlm.verified import remember
    from superneurons.vlm.verify import Findings, examine

    vlm = open_vlm(model, verify=False, **common)
    findings = examine(vlm)
    remember(vlm, findings)
    failed = [check.name for check in findings.failed]
    if {"run", "layers"} & set(failed):
        left_out = dict.fromkeys(ONLY_THOROUGH, "the model doesn't run as described")
        return vlm, Findings(findings.checks, {**findings.left_out, **left_out})
    made, left_out = thorough_checks(
        vlm,
        lambda depth: open_vlm(model, depth=depth, **common),
        without=[name.removeprefix("site ") for name in failed],
        acceleration=acceleration,
    )
    return vlm, Findings((*findings.checks, *made), {**findings.left_out, **left_out})
