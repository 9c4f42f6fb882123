from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.amplify.artefact import Amplifier
from superneurons.amplify.language import open_language_model
from tiny_language_models import save_gpt2, save_llama

SUMS = ["1 + 1 =", "2 + 5 =", "3 + 4 ="]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    save_llama(tmp_path / "llama")
    (tmp_path / "sums.txt").write_text("\n".join(SUMS) + "\n\n")
    (tmp_path / "others.txt").write_text("once upon\nthe cat\n")
    return tmp_path


def find(run: Callable[..., Any], files: Path, *words: object) -> Any:
    return run(
        "amplify", "find", "--model", files / "llama", "--prompts", files / "sums.txt",
        "--control", files / "others.txt", "--layer", 2, "--count", 6, "--device", "cpu",
        "--out", files / "a.json", *words,
    )  # fmt: skip


def ask(run: Callable[..., Any], files: Path, *words: object) -> Any:
    asked = ("--prompts", files / "sums.txt", "--device", "cpu")
    return run("amplify", "run", files / "a.json", *asked, *words)


def test_neurons_are_found_and_kept(run: Callable[..., Any], files: Path) -> None:
    done = find(run, files, "--multiplier", 3, "--gate", 0.5, "--name", "sums")
    assert done.code == 0
    assert "6 neurons of layer 2 of 4" in done.out
    kept = Amplifier.load(files / "a.json")
    assert (kept.multiplier, kept.gate.threshold, kept.neurons.task) == (3.0, 0.5, "sums")
    assert find(run, files).code == 2
    assert find(run, files, "--overwrite", "--json").json["multiplier"] == 2.0


def test_each_prompt_is_answered_and_gated(run: Callable[..., Any], files: Path) -> None:
    find(run, files, "--multiplier", 8)
    amplified, plain = ask(run, files).lines, ask(run, files, "--gate", 0).lines
    assert [line["prompt"] for line in amplified] == SUMS
    assert all(line["amplified"] for line in amplified)
    assert not any(line["amplified"] for line in plain)
    model = open_language_model(str(files / "llama"), device="cpu")
    shares = model.last_logits(SUMS).softmax(dim=1).amax(dim=1).tolist()
    for one, other, sure in zip(amplified, plain, shares, strict=True):
        assert one["base_confidence"] == other["base_confidence"] == pytest.approx(sure, abs=1e-5)
        assert other["next"][0][1] == pytest.approx(sure, abs=1e-5)
        assert one["next"] != other["next"]


def test_a_space_at_the_end_of_a_prompt_is_kept(run: Callable[..., Any], files: Path) -> None:
    find(run, files)
    (files / "sums.txt").write_text("1 + 1 = \n")
    assert ask(run, files).lines[0]["prompt"] == "1 + 1 = "


def test_bad_input_says_what_to_mend(run: Callable[..., Any], files: Path) -> None:
    find(run, files)
    done = ask(run, files, "--model", save_gpt2(files / "gpt2"))
    assert done.code == 2
    assert "another model" in done.err
    done = find(run, files, "--overwrite", "--multiplier", "nan")
    assert done.code == 2
    assert "no finite number" in done.err
    done = find(run, files, "--overwrite", "--layer", 9)
    assert "no layer 9" in done.err
    (files / "others.txt").write_text("\n")
    done = find(run, files, "--overwrite")
    assert done.code == 2
    assert "no prompts" in done.err
    (files / "sums.txt").unlink()
    assert "cannot be read" in find(run, files, "--overwrite").err
    assert json.loads((files / "a.json").read_text())["multiplier"] == 2.0


def test_all_prompts_that_are_missing_are_said_at_once(
    run: Callable[..., Any], files: Path
) -> None:
    (files / "sums.txt").unlink()
    (files / "others.txt").write_text("\n")
    done = find(run, files)
    assert done.code == 2
    assert f"{files / 'sums.txt'}: cannot be read: No such file or directory" in done.err
    assert f"{files / 'others.txt'}: has no prompts" in done.err


@pytest.mark.parametrize(("place", "said"), [
    ("taken.json", "is there already"),
    ("taken.json/x.json", "taken.json' is no directory"),
    (".", "is a directory"),
])  # fmt: skip
def test_a_place_that_is_taken_is_said_before_a_model_is_opened(
    run: Callable[..., Any], files: Path, place: str, said: str
) -> None:
    (files / "taken.json").touch()
    words = ("--prompts", files / "sums.txt", "--control", files / "others.txt", "--layer", 1)
    done = run("amplify", "find", "-m", "no/where", *words, "--out", files / place)
    assert done.code == 2
    assert said in done.err
    assert "no/where" not in done.err
