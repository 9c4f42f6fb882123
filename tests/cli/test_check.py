"""``superneurons check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cascades import altered, going_on, without_stage, write_murky
from cli.conftest import write_records
from pictures import murky
from superneurons.cli.check import DRIFTED
from superneurons.evaluate.cascade_locking import lock_cascade
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.lock import Lock, write_lock
from superneurons.vlm.model import VLM

Runner = Callable[..., Any]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("held"), 60, seed=5)


@pytest.fixture
def lock(run: Runner, clf: Path, held_out: Path, tmp_path: Path) -> Path:
    out = tmp_path / "x.lock"
    done = run("lock", clf, "-d", held_out, "-o", out, "--target-accuracy", 0.9)
    assert done.code == 0, done.err
    return out


def test_what_holds_exits_with_0(run: Runner, clf: Path, lock: Path, test_file: Path) -> None:
    done = run("check", clf, "--data", test_file, "--lock", lock)
    assert done.code == 0, done.err
    assert "As it was locked." in done.out
    assert done.out.count(" of 12 (p = ") == 3


def test_worse_answers_exit_with_3_and_say_so_in_a_line(
    run: Runner, clf: Path, lock: Path, test_file: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in test_file.read_text().splitlines()]
    for row in rows[::2]:
        row["label"] = "yes"
    for row in rows:
        row["image"] = str(test_file.parent / row["image"])
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("\n".join(map(json.dumps, rows)))
    done = run("check", clf, "-d", wrong, "-l", lock)
    assert done.code == DRIFTED == 3
    drifted = [line for line in done.out.splitlines() if line.startswith("DRIFT ")]
    assert drifted[0].startswith("DRIFT accuracy: locked at 100.0%")
    assert "As it was locked." not in done.out
    as_json = run("check", clf, "-d", wrong, "-l", lock, "--json")
    assert as_json.code == 3
    assert [finding["what"] for finding in as_json.json["findings"]] == [
        line.split()[1].removesuffix(":") for line in drifted
    ]


def test_another_model_exits_with_3(
    run: Runner, clf: Path, lock: Path, test_file: Path, tmp_path: Path
) -> None:
    config = json.loads((clf / "config.json").read_text())
    config["base_model"]["fingerprint"] = "0" * 64
    (clf / "config.json").write_text(json.dumps(config))
    done = run("check", clf, "-d", test_file, "-l", lock)
    assert done.code == 3
    assert "DRIFT base_model.fingerprint" in done.out
    assert "Nothing was measured" in done.out


def test_a_lock_may_know_it_by_another_name(
    run: Runner, clf: Path, lock: Path, test_file: Path, tmp_path: Path
) -> None:
    moved = clf.rename(tmp_path / "moved")
    unknown = run("check", moved, "-d", test_file, "-l", lock)
    assert unknown.code == 2
    assert "It holds 'clf'" in unknown.err
    assert run("check", moved, "-d", test_file, "-l", lock, "--name", "clf").code == 0


def test_bad_arguments_exit_with_2(run: Runner, clf: Path, lock: Path, test_file: Path) -> None:
    assert run("check", clf, "-d", test_file, "-l", lock, "--level", 0).code == 2
    assert run("check", clf, "-d", test_file, "-l", lock.parent / "none").code == 2
    assert run("check", clf, "-d", lock.parent / "none.jsonl", "-l", lock).code == 2


@pytest.fixture(scope="module")
def steps(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cascades") / "steps"
    going_on(llava, murky(48)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def unclear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_murky(tmp_path_factory.mktemp("unclear"), 80, seed=5)


@pytest.fixture(scope="module")
def steps_lock(llava: VLM, steps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("locks") / "steps.lock"
    cascade = Cascade.from_pretrained(steps, llava)
    write_lock(Lock({"steps": lock_cascade(cascade, steps, murky(80, seed=5))}), out)
    return out


def drifted(done: Any) -> list[str]:
    lines = [line for line in done.out.splitlines() if line.startswith("DRIFT ")]
    return [line.split()[1].removesuffix(":") for line in lines]


def test_a_cascade_that_holds_exits_with_0(
    run: Runner, steps: Path, steps_lock: Path, unclear: Path
) -> None:
    done = run("check", steps, "-d", unclear, "-l", steps_lock)
    assert done.code == 0, done.err
    assert "As it was locked." in done.out
    starts = [line.split(" locked")[0].strip() for line in done.out.splitlines()[:4]]
    assert starts == [
        "right, of all", "right, of the first exit", "go on from there", "stages.1.answered",
    ]  # fmt: skip


def test_wrong_labels_of_a_cascade_exit_with_3(
    run: Runner, steps: Path, steps_lock: Path, tmp_path: Path
) -> None:
    wrong = write_murky(tmp_path, 80, 5, wrong=True)
    done = run("check", steps, "-d", wrong, "-l", steps_lock, "--level", 0.05)
    assert done.code == 3
    assert "accuracy" in drifted(done)


def _sure(_: Any, tensors: Any) -> None:
    tensors["thresholds"][0] = 0.01


@pytest.mark.parametrize(
    ("change", "what"), [(_sure, "stages.0.threshold"), (without_stage, "stages")]
)
def test_a_cascade_that_was_altered_exits_with_3(
    run: Runner, steps: Path, steps_lock: Path, unclear: Path, tmp_path: Path,
    change: Callable[[Any, Any], None], what: str,
) -> None:  # fmt: skip
    changed = altered(steps, tmp_path / "steps", change)
    done = run("check", changed, "-d", unclear, "-l", steps_lock)
    assert done.code == 3, done.err
    assert drifted(done)[:2] == ["artefact", what]


def test_a_lock_written_before_knows_no_cascade(
    run: Runner, clf: Path, steps: Path, lock: Path, test_file: Path
) -> None:
    assert "stages" not in lock.read_text()
    assert run("check", clf, "-d", test_file, "-l", lock).code == 0
    done = run("check", steps, "-d", test_file, "-l", lock, "--name", "clf")
    assert done.code == 3
    assert drifted(done)[0] == "kind"
    assert "Nothing was measured" in done.out
