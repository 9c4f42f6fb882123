"""``superneurons lock``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cascades import going_on, write_murky
from cli.conftest import write_records
from pictures import murky
from superneurons.shortcut.lock import read_lock
from superneurons.vlm.model import VLM

Runner = Callable[..., Any]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("held"), 40, seed=5)


def test_what_was_measured_is_locked_and_said(
    run: Runner, clf: Path, held_out: Path, tmp_path: Path
) -> None:
    out = tmp_path / "an x.lock"
    done = run("lock", clf, "--data", held_out, "--target-accuracy", 0.9, "--out", out)
    assert done.code == 0, done.err
    found = read_lock(out).locked("clf")
    assert (found.chose, found.accuracy.n, found.target_accuracy) == (20, 20, 0.9)
    assert "20 records chose it, for 90.0% right" in done.out
    assert f"{found.accuracy.hits} of 20" in done.out
    assert f"serve … --lock '{out}';" in done.out
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


@pytest.fixture(scope="module")
def steps(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cascades") / "steps"
    going_on(llava, murky(48)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def unclear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_murky(tmp_path_factory.mktemp("unclear"), 40, seed=5)


def test_a_cascade_is_locked_stage_by_stage(
    run: Runner, steps: Path, unclear: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.lock"
    done = run("lock", steps, "-d", unclear, "-o", out)
    assert done.code == 0, done.err
    found = read_lock(out).locked("steps")
    assert [stage.layer for stage in found.stages] == [1, 3, 4]
    assert f"{found.target_accuracy:.1%} right" in done.out
    assert "On 40 others:" in done.out
    lines = done.out.splitlines()
    for stage, name in zip(found.stages, ("layer 1", "layer 3", "the base model"), strict=True):
        place = next(n for n, line in enumerate(lines) if line.startswith(f"  {name}"))
        sure = f"from {stage.threshold:.3f} on" if stage.threshold else "always"
        assert lines[place].endswith(sure)
        assert f"{stage.answered.hits} of 40" in lines[place + 1]
        assert f"{stage.right.hits} of {stage.right.n}" in lines[place + 2]
    low, high = found.accuracy.interval
    told = f"{found.accuracy.value:.1%} ({low:.1%} to {high:.1%} at 95 %)"
    assert told in next(line for line in lines if line.startswith("  right, of all"))
    falls_short = found.accuracy.value < found.target_accuracy
    assert ("does NOT hold" in done.out) == falls_short


def test_a_cascade_joins_the_classifiers_of_a_lock(
    run: Runner, clf: Path, steps: Path, held_out: Path, unclear: Path, tmp_path: Path
) -> None:
    out = tmp_path / "x.lock"
    assert run("lock", clf, "-d", held_out, "-o", out).code == 0
    before = json.loads(out.read_text())["classifiers"]["clf"]
    done = run("lock", steps, "-d", unclear, "-o", out, "--json")
    assert done.code == 0, done.err
    kept = json.loads(out.read_text())["classifiers"]
    assert kept["clf"] == before
    assert {name: done.json[name] for name in kept["steps"]} == kept["steps"]
    assert run("lock", steps, "-d", unclear, "-o", out).code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target-accuracy", 0.9), "the target that it was fitted for"),
        (("--acceleration", "off"), "A cascade runs stage by stage"),
    ],
)
def test_what_a_cascade_cannot_be_told_is_refused(
    run: Runner, steps: Path, unclear: Path, tmp_path: Path, words: tuple[Any, ...], said: str
) -> None:
    done = run("lock", steps, "-d", unclear, "-o", tmp_path / "x.lock", *words)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "x.lock").exists()
