from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pictures import murky

Runner = Callable[..., Any]


@pytest.fixture(scope="module")
def unclear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records that no layer of a random model tells apart for certain."""
    directory = tmp_path_factory.mktemp("unclear")
    rows = []
    for number, record in enumerate(murky(64)):
        record.images[0].save(directory / f"{number}.png")  # type: ignore[union-attr]
        rows.append({"image": f"{number}.png", "question": record.question, "label": record.label})
    path = directory / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def test_a_line_for_each_stage_and_what_it_comes_to(
    run: Runner, llava_path: Path, unclear: Path
) -> None:
    words = ("cascade", "-m", llava_path, "-d", unclear, "--layers", "1,3")
    shown, raw = run(*words), run(*words, "--json")
    assert shown.code == raw.code == 0, shown.err + raw.err
    found = raw.json
    assert [row["layer"] for row in found["stages"]] == [1, 3, 4]
    assert found["path"] == "lean"
    lines = [line.strip() for line in shown.out.splitlines()]
    for name, row in zip(("layer 1", "layer 3", "base model"), found["stages"], strict=True):
        line = next(line for line in lines if line.startswith(name))
        assert f"{row['share']:.0%}" in line
        assert f"{100 * row['alone']['accuracy']:.1f} (" in line
        threshold = row["threshold"]
        assert (
            "never" if threshold is None else f"{threshold:.3f}" if threshold else "always"
        ) in line
    text = " ".join(shown.out.split())
    assert f"Target {found['target']:.1%} (that of going to the end): reached on the 16" in text
    assert ("does NOT hold" in text) == (not found["held"])
    assert f"Expected cost: {found['cost']:.1f} of 4 layers ({found['relative_cost']:.0%})" in text


@pytest.mark.filterwarnings("default::superneurons.shortcut.cascade.CascadeWarning")
def test_a_target_out_of_reach_is_said_on_both_streams(
    run: Runner, llava_path: Path, unclear: Path
) -> None:
    done = run(
        "cascade", "-m", llava_path, "-d", unclear, "--layers", "1", "--no-base-answer",
        "--target-accuracy", "0.999",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "NOT reached, by any thresholds" in done.out
    assert "No thresholds reach an accuracy of 99.9%" in done.err


def test_what_was_saved_answers(
    run: Runner, llava_path: Path, unclear: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a cascade"
    words = ("cascade", "-m", llava_path, "-d", unclear, "--layers", "1,3", "--out", out)
    done = run(*words)
    assert done.code == 0, done.err
    assert f"Saved to {out}. Next: superneurons predict '{out}'" in done.out.replace("\n", "")
    answers = run("predict", out, "-d", unclear).lines
    assert len(answers) == 64
    assert {answer["exit_layer"] for answer in answers} <= {1, 3, 4}
    picture = run("predict", out, unclear.parent / "0.png").lines
    assert picture[0]["label"] == answers[0]["label"]
    again = run(*words)
    assert again.code == 2
    assert "exists already" in again.err
    assert run("eval", out, "-d", unclear).code == 2


def test_costs_that_are_given_are_those_that_count(
    run: Runner, llava_path: Path, unclear: Path
) -> None:
    words = ("cascade", "-m", llava_path, "-d", unclear, "--layers", "1", "--costs", "2.5,40")
    found = run(*words, "--json").json
    assert [row["cost"] for row in found["stages"]] == [2.5, 40]
    assert (found["unit"], found["whole"]) == ("given", 40)
    assert "of 40 of the costs given" in " ".join(run(*words).out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layers", "1,x"), "--layers is '1,x'"),
        (("--layers", "3,1"), "each deeper than the last"),
        (("--layers", "1,9"), "stops at layer 9, but the model has 4"),
        (("--costs", "1,2"), "no layers are given"),
        (("--target-accuracy", "95"), "95.0 is not above 0 and at most 1"),
    ],
)
def test_bad_options_are_refused(
    run: Runner, llava_path: Path, unclear: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("cascade", "-m", llava_path, "-d", unclear, *words)
    assert done.code == 2
    assert message in done.err
    assert not done.out


def test_it_needs_records(run: Runner, llava_path: Path) -> None:
    assert "No records were named" in run("cascade", "-m", llava_path).err


def test_pictures_may_be_seen_smaller(run: Runner, llava_path: Path, unclear: Path) -> None:
    words = ("cascade", "-m", llava_path, "-d", unclear, "--layers", "1,3", "--json")
    small, own = run(*words, "--resolution", "16"), run(*words)
    assert small.code == own.code == 0, small.err
    assert small.json["stages"] != own.json["stages"]
