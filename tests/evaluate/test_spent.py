from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

from superneurons.evaluate import spent as module
from superneurons.evaluate.spent import Spent, spending

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MIB = 2**20


def test_seconds_are_those_of_the_wall_clock() -> None:
    with spending("cpu") as found:
        time.sleep(0.05)
    assert 0.05 <= found.seconds < 5


@linux_only
def test_memory_is_what_was_held_beyond_before() -> None:
    kept = torch.ones(64 * MIB, dtype=torch.uint8)
    with spending("cpu") as found:
        torch.ones(96 * MIB, dtype=torch.uint8)
    if found.peak_bytes is None:
        pytest.skip("this kernel doesn't let the peak start anew")
    assert 80 * MIB < found.peak_bytes < 150 * MIB
    with spending("cpu") as nothing:
        pass
    assert nothing.peak_bytes is not None
    assert nothing.peak_bytes < 32 * MIB
    assert len(kept) == 64 * MIB


def test_work_that_fails_is_measured_too() -> None:
    with pytest.raises(RuntimeError, match="half-way"), spending("cpu") as found:  # noqa: PT012
        time.sleep(0.01)
        raise RuntimeError("half-way")
    assert found.seconds >= 0.01


def test_where_no_peak_is_known_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(module, "_SELF", module.Path(str(tmp_path)) / "nowhere")
    with spending("cpu") as found:
        pass
    assert found.peak_bytes is None
    assert found.as_dict() == {"seconds": found.seconds, "peak_bytes": None}


def test_one_after_the_other_seconds_add_up_and_the_higher_peak_stays() -> None:
    assert Spent(1, 7) + Spent(2, 5) == Spent(3, 7)
    assert Spent(1, None) + Spent(2, 5) == Spent(3, 5)
    assert (Spent() + Spent()).peak_bytes is None


def test_the_peak_is_the_highest_mark_less_what_was_held_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A made-up /proc/self: 2,000 kB are held, 5,000 kB at most since the mark was cleared."""
    monkeypatch.setattr(module, "_SELF", tmp_path)
    (tmp_path / "status").write_text("Name:\tpython\nVmPeak:\t 9000 kB\nVmRSS:\t 2000 kB\n")
    with spending("cpu") as found:
        assert (tmp_path / "clear_refs").read_text() == "5"
        assert found == Spent()
        (tmp_path / "status").write_text("VmHWM:\t 5000 kB\nVmRSS:\t 1000 kB\n")
    assert found.peak_bytes == 3000 * 1024


def test_a_peak_is_never_below_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the mark does not start anew, or what was held was given back meanwhile."""
    monkeypatch.setattr(module, "_SELF", tmp_path)
    (tmp_path / "status").write_text("VmRSS:\t 2000 kB\nVmHWM:\t 1500 kB\n")
    with spending("cpu") as found:
        pass
    assert found.peak_bytes == 0
    assert found.as_dict()["peak_bytes"] == 0


def test_nothing_is_spent_at_first_and_adding_nothing_changes_nothing() -> None:
    assert Spent() == Spent(0.0, None)
    assert Spent() + Spent(1.5, 9) == Spent(1.5, 9) + Spent() == Spent(1.5, 9)
    assert sum((Spent(0.25, n) for n in (3, 1, 2)), Spent()) == Spent(0.75, 3)
