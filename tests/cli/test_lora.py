from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.errors import ResourceError
from superneurons.evaluate import lora

Runner = Callable[..., Any]
QUICK = ("--steps", 8, "--rates", "1e-2", "--rank", 4, "--repeats", 1, "--device", "cpu")
OURS = "Super Neurons, improved"


def test_a_learning_curve_is_told_size_by_size(
    run: Runner, llava_path: Path, train: Path, test_file: Path
) -> None:
    words = ("lora", "-m", llava_path, "-d", train, "--test", test_file, *QUICK)
    shown = run(*words, "--sizes", "10,24")
    assert shown.code == 0, shown.err
    first, second = shown.out.split("10 probing records")[1].split("24 probing records")
    for part in (first, second):
        for name in ("base model, first token", OURS, "paper's rule", "LoRA, calibrated logits"):
            assert name in part
        assert "held out chose" in part
        assert "12 test records" in part
    assert "trained on 8 records; 2 held out" in " ".join(first.split())


def test_json_has_scores_costs_and_what_was_trained(
    run: Runner, llava_path: Path, train: Path
) -> None:
    done = run("lora", "-m", llava_path, "-d", train, *QUICK, "--json")
    assert done.code == 0, done.err
    (found,) = done.json["sizes"]
    assert found["n_probe"] + found["setting"]["test_records"] == 24
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["LoRA, first token"]["ms"]["repeats"] == 1
    assert rows["LoRA, first token"]["lead"]["balanced_accuracy"]["p_value"] > 0
    assert found["learning"]["LoRA, first token"]["seconds"] > 0
    assert found["lora"]["settings"]["steps"] == 8
    assert found["lora"]["weights"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give --task (an embedded task) or --data"),
        (("--task", "dark", "--sizes", "50,many"), "--sizes: 'many' is no whole number"),
        (("--data", "{train}", "--holdout", "1.5"), "--holdout"),
        (("--task", "dark", "--seed", "-1"), "The seed -1 is out of range"),
        (("--task", "dark", "--rates", "quick"), "--rates: 'quick' is no number"),
        (("--task", "dark", "--alpha", "nan"), "alpha: is nan, no finite number"),
        (("--task", "dark", "--rates", "3"), "rates: are [3.0], not all between 0 and 1"),
        (("--task", "dark", "--n-probe", 20, "--sizes", "50"), "size 50: is not from 4 to the 20"),
    ],
)
def test_what_makes_no_sense_is_said_before_a_model_is_opened(
    run: Runner, train: Path, words: tuple[object, ...], said: str
) -> None:
    given = [train if word == "{train}" else word for word in words]
    done = run("lora", *given, "--model", "no/where")
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert "no/where" not in done.err


def test_all_numbers_that_are_none_are_said_at_once(run: Runner, train: Path) -> None:
    done = run("lora", "-d", train, "--rates", "1e-4,quick", "--sizes", "8,few,1.5")
    assert done.code == 2
    for said in ("--rates: 'quick'", "--sizes: 'few' is no whole", "--sizes: '1.5' is no whole"):
        assert said in done.err
    assert "1e-4'" not in done.err


def test_a_picture_in_both_files_is_refused(run: Runner, llava_path: Path, train: Path) -> None:
    done = run("lora", "-m", llava_path, "-d", train, "--test", train)
    assert done.code == 2
    assert "24 of 24 test records share a picture" in done.err


def test_without_peft_the_extra_is_named_before_a_model_is_opened(
    run: Runner, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    done = run("lora", "-m", "no/where", "-d", train)
    assert done.code == 2
    assert "pip install 'superneurons[lora]'" in done.err
    assert "no/where" not in done.err


def test_sizes_that_were_done_are_printed_where_a_larger_one_fails(
    run: Runner, llava_path: Path, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lora._Rivals.rival

    def tight(rivals: Any) -> Any:
        if len(rivals.contest.parts[0].train) > 8:
            raise ResourceError("There is too little memory.", mend="Give fewer records.")
        return whole(rivals)

    monkeypatch.setattr(lora._Rivals, "rival", tight)
    done = run("lora", "-m", llava_path, "-d", train, *QUICK, "--sizes", "8,12", "--json")
    assert done.code == 2
    assert "too little memory" in done.err
    assert [found["n_probe"] for found in done.json["sizes"]] == [8]
    assert done.json["task"] == str(train)
