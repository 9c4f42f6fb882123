"""The benchmark of the robustness studies, at a size where it proves nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import robustness

NUMBERS = ["--n-probe=16", "--n-test=8", "--sizes", "8", "16", "--seeds=1", "--device=cpu"]


@pytest.fixture(scope="module")
def made(llava_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "deep" / "robustness.json"
    tasks = ["--tasks", "dark", "counting", "--studies", "size", "depth", "overlap"]
    robustness.main([*tasks, *NUMBERS, f"--model={llava_path}", f"--out={out}", "--n-probe=24"])
    return out


def test_it_walks_from_tasks_to_both_files(made: Path) -> None:
    found = json.loads(made.read_text())["found"]
    assert list(found) == ["dark", "counting", robustness.OVERLAP]
    assert list(found["dark"]) == ["size", "depth"]
    assert {point["size"] for point in found["dark"]["size"]["points"]} == {8, 16}
    text = made.with_suffix(".md").read_text()
    assert [line for line in text.splitlines() if line.startswith("##")] == [
        "## Size", "### size: dark", "### size: counting",
        "## Depth", "### depth: dark", "### depth: counting",
        "## Overlap", "### overlap: all tasks",
    ]  # fmt: skip
    for table in found["dark"]["depth"]["tables"]:
        assert table in text


def test_what_a_task_cannot_do_is_said(made: Path) -> None:
    found = json.loads(made.read_text())["found"]
    assert "two answers" in found["counting"]["depth"]["left_out"]
    assert "Left out: Layers are read on questions with two answers" in (
        made.with_suffix(".md").read_text()
    )


def test_what_is_there_is_not_run_again(
    made: Path, llava_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "robustness.json"
    out.write_bytes(made.read_bytes())
    ran: list[str] = []
    for study in robustness.STUDIES:
        real = getattr(robustness.Bench, study)
        monkeypatch.setattr(
            robustness.Bench, study,
            lambda bench, task, study=study, real=real: ran.append(study) or real(bench, task),
        )  # fmt: skip
    chosen = ["--tasks", "dark", "--studies", "size", "depth", "shuffled", "wording", "shift"]
    robustness.main([*chosen, *NUMBERS, f"--model={llava_path}", f"--out={out}", "--resume"])
    assert ran == ["shuffled", "wording", "shift"]
    known = json.loads(out.read_text())["found"]["dark"]
    assert known["size"] == json.loads(made.read_text())["found"]["dark"]["size"]
    assert len(known["wording"]["domains"]) == 5
    assert list(known["shift"]["domains"]) == ["seen", "unseen"]
    assert len(known["shuffled"]["seeds"]) == 2


def test_unknown_studies_are_refused(llava_path: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no study 'sizes'"):
        robustness.main(["--studies", "sizes", f"--model={llava_path}",
                         f"--out={tmp_path / 'x.json'}", "--device=cpu"])  # fmt: skip
