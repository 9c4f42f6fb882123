from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.shortcut.classifier import SuperNeuronClassifier

Runner = Callable[..., Any]

QUICK = ("--positions", "last_prompt", "--orders", "picture-first", "--repeats", 1)


def test_the_front_the_choice_and_its_verification(
    run: Runner, llava_path: Path, train: Path, test_file: Path
) -> None:
    words = ("search", "-m", llava_path, "-d", train, "--test", test_file, *QUICK)
    shown, raw = run(*words), run(*words, "--json")
    assert shown.code == raw.code == 0, shown.err + raw.err
    assert "whole model" in shown.out
    assert "Chosen:" in shown.out
    assert "calibrated logits" in shown.out
    assert "Ahead of the calibrated base model by" in shown.out
    told = raw.json
    assert told["chosen"] in told["search"]["points"]
    assert told["search"]["front"]
    assert told["verification"]["setting"]["test_records"] == 12
    assert told["verification"]["rows"][0]["name"] == "chosen shortcut"


def test_the_chosen_shortcut_is_saved_and_answers(
    run: Runner, llava_path: Path, train: Path, test_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a clf"
    done = run(
        "search", "-m", llava_path, "-d", train, "--test", test_file, *QUICK,
        "--sites", "residual", "--max-layer", 2, "--out", out,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert f"Saved to {out}. Next: superneurons eval '{out}'" in done.out
    answered = run("predict", out, "--data", test_file)
    assert answered.code == 0, answered.err
    assert len(answered.lines) == 12
    assert {line["exit_layer"] for line in answered.lines} <= {1, 2}
    again = run("search", "-d", train, "--out", out)
    assert again.code == 2
    assert "exists already" in again.err


def test_a_shortcut_at_another_resolution_is_saved_and_answers_there(
    run: Runner, llava_path: Path, train: Path, test_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "clf"
    done = run(
        "search", "-m", llava_path, "-d", train, "--test", test_file, *QUICK, "--json",
        "--sites", "residual", "--resolutions", "8", "--out", out,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert {point["resolution"] for point in done.json["search"]["points"]} == {None, 8}
    saved = SuperNeuronClassifier.from_pretrained(out)
    assert saved.resolution == done.json["chosen"]["resolution"]
    answered = run("predict", out, "--data", test_file)
    assert answered.code == 0, answered.err
    truth = [json.loads(line)["label"] for line in test_file.read_text().splitlines()]
    right = [line["label"] == label for line, label in zip(answered.lines, truth, strict=True)]
    scores = done.json["verification"]["rows"][0]["scores"]
    assert scores["accuracy"] == pytest.approx(sum(right) / len(right))


def test_a_part_of_the_data_is_held_out(run: Runner, llava_path: Path, train: Path) -> None:
    done = run(
        "search", "-m", llava_path, "-d", train, *QUICK, "--sites", "vision", "--holdout", 0.25,
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    told = done.json
    tested = told["verification"]["setting"]["test_records"]
    assert 4 <= tested <= 8
    assert told["search"]["settings"]["records"] == 24 - tested
    assert {point["kind"] for point in told["search"]["points"]} == {"vision"}


def test_limits_that_cannot_be_met_are_said_after_the_front(
    run: Runner, llava_path: Path, train: Path
) -> None:
    done = run("search", "-m", llava_path, "-d", train, *QUICK, "--max-latency", 1e-6)
    assert done.code == 2
    assert "× whole model" in done.out
    assert "keeps to at most 1e-06 ms" in done.err
    assert "fastest that is accurate enough" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--resolutions", "64,big"), "'big'"),
        (("--sites", "residue"), "--sites: 'residue' is unknown; did you mean 'residual'?"),
        (("--sites", ""), "--sites: none given"),
        (("--orders", "backwards"), "'backwards' is unknown"),
        (("--min-accuracy", 95), "min_accuracy: 95"),
        (("--holdout", 2), "where: --holdout"),
    ],
)
def test_mistakes_are_said_before_the_model_is_opened(
    run: Runner, train: Path, words: tuple, said: str
) -> None:
    done = run("search", "-m", "no/where", "-d", train, *words)
    assert done.code == 2
    assert said in done.err


def test_all_words_that_are_wrong_are_said_at_once(run: Runner, train: Path) -> None:
    done = run(
        "search", "-d", train, "--resolutions", "64,big", "--sites", "visio",
        "--positions", "image-mean", "--orders", "question_first",
    )  # fmt: skip
    assert done.code == 2
    for said in (
        "--resolutions: 'big' is no whole number",
        "--sites: 'visio' is unknown; did you mean 'vision'?",
        "--positions: 'image-mean' is unknown; did you mean 'image_mean'?",
        "--orders: 'question_first' is unknown; did you mean 'question-first'?",
    ):
        assert said in done.err
