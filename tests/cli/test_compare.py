from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runner = Callable[..., Any]
QUICK = ("--repeats", 1, "--shuffles", 20, "--no-generate")


def test_the_table_and_the_json_say_the_same(
    run: Runner, llava_path: Path, train: Path, test_file: Path
) -> None:
    words = ("compare", "-m", llava_path, "-d", train, "--test", test_file, *QUICK)
    some = ("-r", "super-neurons", "-r", "savs")
    shown, raw = run(*words, *some), run(*words, *some, "--json")
    assert shown.code == raw.code == 0, shown.err + raw.err
    for row in raw.json["rows"]:
        line = next(line for line in shown.out.splitlines() if row["name"] in line)
        if row["scores"] is not None:
            assert f"{100 * row['scores']['balanced_accuracy']:.1f} (" in line
            assert f"{100 * row['scores']['f1']:.1f} (" in line
        if row["null_maximum"] is not None:
            assert f"{100 * row['null_maximum']:.1f}" in line
    assert raw.json["recommendation"]["sentence"].startswith(("Use ", "Keep ", "Calibrate "))
    assert "…" not in shown.out.split("test records")[0]


def test_one_set_is_parted(run: Runner, llava_path: Path, train: Path) -> None:
    words = ("compare", "-m", llava_path, "-d", train, "--folds", 3, "-r", "super-neurons")
    done = run(*words, *QUICK, "--json")
    assert done.code == 0, done.err
    assert done.json["setting"]["parts"] == 3
    assert all(row["scores"]["n"] == 24 for row in done.json["rows"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give --task (an embedded task) or --data"),
        (("--task", "dark", "--data", "x.jsonl"), "Both --task and --data"),
        (("--task", "dark", "--test", "x.jsonl"), "a task has its own"),
        (("--task", "drak"), "dark"),
        (("--task", "dark", "-r", "suvs"), "savs"),
    ],
)
def test_what_makes_no_sense_is_said_before_a_model_is_opened(
    run: Runner, words: tuple[str, ...], said: str
) -> None:
    done = run("compare", *words, "--model", "no/where")
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert "no/where" not in done.err


def test_a_picture_in_both_files_is_refused(run: Runner, llava_path: Path, train: Path) -> None:
    done = run("compare", "-m", llava_path, "-d", train, "--test", train)
    assert done.code == 2
    assert "24 of 24 test records share a picture" in done.err


def test_the_help_names_every_read_out(run: Runner) -> None:
    from superneurons.evaluate.entries import ENTRIES

    said = "".join(run("compare", "--help").out.split())
    listed = said.split("Oneof:")[1].split("--generate")[0]
    for entry in ENTRIES:
        assert entry.key in listed


def test_a_read_out_for_more_answers_is_refused_for_two(
    run: Runner, llava_path: Path, train: Path
) -> None:
    done = run("compare", "-m", llava_path, "-d", train, "-r", "super-neurons-by-option", *QUICK)
    assert done.code == 2
    assert "super-neurons-by-option: asks for each answer by itself" in done.err
