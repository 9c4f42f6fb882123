"""What `doctor` and `verify` say of a model: its checks, and its row of the status table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from superneurons.vlm.checks.check import Check
    from superneurons.vlm.exit_report import ExitReport
    from superneurons.vlm.model import VLM
    from superneurons.vlm.verify import Findings

__all__ = ["as_dicts", "markdown", "print_checks", "status_row"]


def print_checks(findings: Findings) -> None:
    """Print one line per check, what to do about those that failed, and what was left out."""
    for check in findings.checks:
        print(f"{'ok' if check.passed else 'FAILED':<16} {check.name} ({check.detail})")
        if not check.passed:
            print(f"{'':<16} expected: {check.holds}")
            print(f"{'':<16} mend:     {check.mend}")
    for name, why in findings.left_out.items():
        print(f"{'not checked':<16} {name} ({why})")


def as_dicts(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return checks as JSON has them."""
    return [
        {
            "name": check.name,
            "passed": check.passed,
            "detail": check.detail,
            "holds": check.holds,
            **({} if check.passed else {"mend": check.mend}),
        }
        for check in checks
    ]


def status_row(
    vlm: VLM, findings: Findings, report: ExitReport | None, *, name: str | None = None
) -> dict[str, str]:
    """Return a model's row of the status table, by column.

    Parameters
    ----------
    vlm
        The whole model.
    findings
        What its checks found.
    report
        How early exits run; ``None`` where they can't.
    name
        What to call the model; as it was asked for, by default.
    """
    from superneurons.vlm.taps import KINDS

    config: Any = vlm.model.config
    broken = {check.name for check in findings.failed}
    sites = [k for k in KINDS if k not in vlm.family.lacks and f"site {k}" not in broken]
    run = "none" if report is None else {"off": "plain"}.get(report.path, report.path)
    return {
        "family": vlm.family.name,
        "model type": f"`{config.model_type}`",
        "model": name or vlm.name,
        "layers × width": f"{vlm.n_layers} × {vlm.hidden_size}",
        "sites": ", ".join(sites),
        "early exit": run,
        "dtype, device": f"{str(vlm.dtype).removeprefix('torch.')}, {vlm.device.type}",
        "versions": f"transformers {version('transformers')}, torch {version('torch')}",
        "checks": _outcome(findings),
    }


def _outcome(findings: Findings) -> str:
    passed = sum(check.passed for check in findings.checks)
    parts = [f"{passed} passed"]
    if findings.failed:
        parts.append(f"**failed:** {', '.join(check.name for check in findings.failed)}")
    # Sites and the way of early exits have columns of their own.
    others = [name for name in findings.left_out if name.partition(" ")[0] not in ("site", "lean")]
    if others:
        parts.append(f"not made: {', '.join(others)}")
    return "; ".join(parts)


def markdown(rows: Sequence[Mapping[str, str]], *, head: bool = True) -> str:
    """Return rows as a Markdown table, or as the lines to put under its head."""
    lines = [list(row.values()) for row in rows]
    if head:
        lines = [list(rows[0]), ["---"] * len(rows[0]), *lines]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
