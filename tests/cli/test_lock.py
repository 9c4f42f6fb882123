"""``superneurons lock``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import write_records
from superneurons.shortcut.lock import read_lock

Runner = Callable[..., Any]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("held"), 40, seed=5)


def test_what_was_measured_is_locked_and_said(
    run: Runner, clf: Path, held_out: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.lock"
    done = run("lock", clf, "--data", held_out, "--target-accuracy", 0.9, "--out", out)
    assert done.code == 0, done.err
    found = read_lock(out).locked("clf")
    assert (found.chose, found.accuracy.n, found.target_accuracy) == (20, 20, 0.9)
    assert "20 records chose it, for 90.0% right" in done.out
    assert f"{found.accuracy.hits} of 20" in done.out
    assert f"serve … --lock {out}" in done.out
    written = out.read_bytes()
    again = run("lock", clf, "-d", held_out, "--target-accuracy", 0.9, "-o", out, "--overwrite")
    assert again.code == 0, again.err
    assert out.read_bytes() == written


def test_the_same_as_json(run: Runner, clf: Path, held_out: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.lock"
    done = run("lock", clf, "-d", held_out, "-o", out, "--target-accuracy", 0.9, "--json")
    assert done.json["classifier"] == "clf"
    kept = json.loads(out.read_text())["classifiers"]["clf"]
    assert {name: done.json[name] for name in kept} == kept


def test_a_target_out_of_reach_is_said(
    run: Runner, clf: Path, held_out: Path, tmp_path: Path
) -> None:
    done = run("lock", clf, "-d", held_out, "-o", tmp_path / "x.lock", "--target-accuracy", 0.99)
    assert done.code == 0
    assert "NO confidence makes 99.0%" in done.out
    found = read_lock(tmp_path / "x.lock").locked("clf")
    assert (found.threshold, found.met) == (1.0, False)


def test_others_in_the_lock_are_kept_and_none_is_lost(
    run: Runner, clf: Path, held_out: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "x.lock", tmp_path / "other"
    clf.rename(other)
    assert run("lock", other, "-d", held_out, "-o", out).code == 0
    other.rename(clf)
    assert run("lock", clf, "-d", held_out, "-o", out).code == 0
    assert set(read_lock(out).classifiers) == {"clf", "other"}
    written = out.read_bytes()
    refused = run("lock", clf, "-d", held_out, "-o", out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert out.read_bytes() == written


@pytest.mark.parametrize("target", ["0", "1.5", "nan"])
def test_bad_targets_are_refused_before_anything_is_opened(
    run: Runner, clf: Path, tmp_path: Path, target: str
) -> None:
    words = ("-d", tmp_path / "nowhere", "-o", tmp_path / "x.lock", "--target-accuracy", target)
    done = run("lock", clf, *words)
    assert done.code == 2
    assert "The target is" in done.err


def test_a_lock_that_is_something_else_is_not_replaced(
    run: Runner, clf: Path, held_out: Path, tmp_path: Path
) -> None:
    out = tmp_path / "uv.lock"
    out.write_text("version = 1\n")
    done = run("lock", clf, "-d", held_out, "-o", out, "--overwrite")
    assert done.code == 2
    assert "lock cannot be read" in done.err
    assert out.read_text() == "version = 1\n"
