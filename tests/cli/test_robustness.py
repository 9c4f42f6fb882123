from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from published_files import lines
from superneurons.evaluate.robustness.gathered import NEURONS
from superneurons.evaluate.robustness.overlap import KINDS
from superneurons.evaluate.robustness.shuffled import CONDITIONS

Runner = Callable[..., Any]


def write_colours(directory: Path, n: int) -> Path:
    """Records with three answers."""
    rows = []
    for i in range(n):
        colour = ("red", "green", "blue")[i % 3]
        Image.new("RGB", (24, 24 + i), colour).save(directory / f"{i}.png")
        rows.append({"image": f"{i}.png", "question": "Which colour?", "label": colour})
    return lines(directory / "colours.jsonl", rows)


@pytest.fixture
def own(llava_path: Path, train: Path, test_file: Path) -> tuple[object, ...]:
    """A tiny model and one's own records."""
    return ("-m", llava_path, "-d", train, "--test", test_file, "--device", "cpu")


def test_wordings_are_crossed(run: Runner, own: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "made" / "wording.json"
    words = ("--own", "Is it {what}?", "-w", "So {what}?", "--seeds", 2)
    done = run("robustness", "wording", *own, *words, "--out", out)
    assert done.code == 0, done.err
    kept = json.loads(out.read_text())
    assert list(kept["domains"]) == ["A", "B"]
    assert kept["seeds"] == [0, 1]
    assert f"{NEURONS[1]}: balanced accuracy" in done.out
    assert "B: So {what}?, e.g. 'So bright?'" in done.out
    assert all(len(line) <= 100 for line in done.out.splitlines() if "records.jsonl" not in line)


def test_distributions_are_two_files(
    run: Runner, llava_path: Path, train: Path, test_file: Path
) -> None:
    words = ("-m", llava_path, "-d", train, "--other", test_file, "--device", "cpu")
    done = run("robustness", "shift", *words, "--json")
    assert done.code == 0, done.err
    assert len(done.json["domains"]) == 2
    assert done.json["setting"]["probing_records"] == [12, 6]  # each was parted in halves
    pairs = {(c["fitted_on"], c["tested_on"]) for c in done.json["cells"]}
    assert len(pairs) == 4


def test_drawings_never_seen_are_the_other_distribution(run: Runner, llava_path: Path) -> None:
    words = ("-m", llava_path, "-t", "dark", "--n-probe", 16, "--n-test", 8, "--device", "cpu")
    done = run("robustness", "shift", *words, "--json")
    assert done.code == 0, done.err
    assert list(done.json["domains"]) == ["seen drawings", "unseen drawings"]
    assert done.json["records"] == "dark"


def test_shuffles_end_with_a_verdict(run: Runner, own: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "shuffled.json"
    done = run("robustness", "shuffled", *own, "--seeds", 2, "--out", out)
    assert done.code == 0, done.err
    kept = json.loads(out.read_text())
    assert kept["verdict"].split(".")[0] in " ".join(done.out.split())
    assert {row["condition"] for row in kept["rows"]} == {
        name for name in CONDITIONS if "questions" not in name
    }


def test_sizes_are_given_with_commas(run: Runner, own: tuple[object, ...]) -> None:
    done = run("robustness", "size", *own, "--sizes", "8,16", "--seeds", 2, "--seed", 5, "--json")
    assert done.code == 0, done.err
    assert {point["size"] for point in done.json["points"]} == {8, 16}
    assert done.json["seeds"] == [5, 6]


def test_a_task_is_drawn_as_large_as_the_largest_size(run: Runner, llava_path: Path) -> None:
    words = ("-m", llava_path, "-t", "dark", "--sizes", "8,20", "--n-test", 8, "--seeds", 1)
    done = run("robustness", "size", *words, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert done.json["setting"]["probing_records"] == 20


def test_tasks_and_files_overlap(run: Runner, llava_path: Path, train: Path) -> None:
    words = ("-m", llava_path, "-d", train, "-t", "dark", "--n-probe", 24, "--neurons", 7)
    done = run("robustness", "overlap", *words, "--device", "cpu")
    assert done.code == 0, done.err
    assert done.out.startswith("records, dark\n")
    assert f"{KINDS[1]}, K = 7: Jaccard" in done.out


def test_depth_is_shown_layer_by_layer(run: Runner, own: tuple[object, ...]) -> None:
    done = run("robustness", "depth", *own, "--shuffles", 20, "--seeds", 2)
    assert done.code == 0, done.err
    for title in ("Neurons by layer", "at the answer's first token", "Does layer 1 suffice?"):
        assert title in done.out


def test_what_is_there_is_not_written_over_unless_asked(
    run: Runner, own: tuple[object, ...], tmp_path: Path
) -> None:
    out = tmp_path / "size.json"
    out.write_text("mine")
    words = ("robustness", "size", *own, "--sizes", "8", "--seeds", 1, "--out", out)
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert "--overwrite" in done.err
    assert out.read_text() == "mine"
    assert run(*words, "--overwrite").code == 0
    assert json.loads(out.read_text())["study"] == "size"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("words", "said"), [
    (("wording",), "No records were named"),
    (("wording", "-d", "{train}"), "no other wording"),
    (("wording", "-d", "{train}", "-w", "{x}?"), "unknown slots"),
    (("wording", "-d", "{train}", "-w", "Hm?", "--own", "Does {x}?"), "aren't worded like"),
    (("shift", "-d", "{train}"), "Two distributions"),
    (("shift", "-d", "{train}", "--other", "{train}"), "same data twice"),
    (("shift", "-t", "dark", "-d", "{train}"), "Both --task and data"),
    (("shift", "-d", "{train}", "--other", "{colours}"), "don't have the same labels"),
    (("size", "-d", "{train}", "--sizes", "10;20"), "'10;20' is no list of whole numbers"),
    (("size", "-d", "{train}", "--sizes", "3,8"), "at least 4 records"),
    (("depth", "-d", "{colours}"), "two answers"),
    (("depth", "-d", "{train}", "--seed", "-1"), "The seed -1 is out of range"),
    (("overlap", "-t", "dark"), "Several tasks"),
    (("overlap", "-t", "dark", "-t", "dork", "--n-probe", "8"), "no embedded task 'dork'"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_before_a_model_is_opened(
    run: Runner, train: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    places = {"{train}": str(train), "{colours}": str(write_colours(tmp_path, 24))}
    done = run("robustness", *(places.get(word, word) for word in words), "-m", "no/where")
    assert done.code == 2
    assert said in done.err
    assert "no/where" not in done.err


def test_sizes_too_small_to_learn_from_are_said(
    run: Runner, llava_path: Path, tmp_path: Path
) -> None:
    colours = write_colours(tmp_path, 24)
    words = ("-m", llava_path, "-d", colours, "--sizes", 4, "--seeds", 1, "--device", "cpu")
    done = run("robustness", "size", *words)
    assert done.code == 2
    assert "No size is enough to learn from" in done.err
    assert "larger sizes" in done.err


def test_all_tasks_are_checked_before_a_model_is_opened(
    run: Runner, train: Path, tmp_path: Path
) -> None:
    colours = write_colours(tmp_path, 24)
    (tmp_path / "3.png").write_bytes(b"none")
    few = lines(tmp_path / "few.jsonl", [
        {"image": f"{i}.png", "question": "Red?", "label": "no" if i else "yes"} for i in range(3)
    ])  # fmt: skip
    files = [word for file in (train, colours, few) for word in ("-d", file)]
    done = run("robustness", "overlap", "-m", "no/where", *files)
    assert done.code == 2
    assert "no/where" not in done.err
    assert "colours: " in done.err
    assert "3.png" in done.err
    assert "few: " in done.err
