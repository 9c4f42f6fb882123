"""What a run holds, and that what wasn't measured is left empty."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import get_args

import pytest

from report.runs import full_run, selection, sparse_run
from superneurons.report.html import report_html
from superneurons.report.run import Kind, Run
from superneurons.report.store import read_run, write_run

MEASURED = (
    "comparison", "selection", "curves", "tradeoffs", "bins", "ece", "confusion", "agreement",
)  # fmt: skip


def test_what_was_not_measured_is_empty() -> None:
    run = sparse_run()
    assert all(not getattr(run, name) for name in MEASURED)
    assert (run.notes, run.subject) == ((), "")
    assert {field.name for field in fields(Run)} >= set(MEASURED)


def test_a_run_cannot_be_changed_and_is_only_itself() -> None:
    run = sparse_run()
    with pytest.raises(FrozenInstanceError):
        run.title = "other"  # type: ignore[misc]
    assert run != replace(run), "arrays have no one truth"
    known = selection(4, 16)
    assert known != replace(known)
    assert len({run, replace(run)}) == 2


@pytest.mark.parametrize("name", MEASURED)
def test_each_part_can_be_missing_alone(name: str) -> None:
    whole = full_run()
    empty = () if isinstance(getattr(whole, name), tuple) else None
    page = report_html(replace(whole, **{name: empty}))
    assert len(page) < len(report_html(whole))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_command_has_runs_that_are_kept_and_read(kind: Kind, tmp_path: Path) -> None:
    write_run(tmp_path, sparse_run(kind=kind))
    assert read_run(tmp_path).kind == kind
