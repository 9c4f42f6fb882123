"""``superneurons check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import write_records
from superneurons.cli.check import DRIFTED

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
