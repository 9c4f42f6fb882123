from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.errors import DataError
from superneurons.task.groups import group_ids
from superneurons.task.labels import DataWarning
from superneurons.task.lettered import LETTERS, letter_record
from superneurons.task.published.load import load_published, read_split
from superneurons.task.published.registry import find_task
from superneurons.task.unroll import roll_up, unroll

Make = Callable[..., Path]

# The fields of the official file, with a question in its manner.
PROBLEM: dict[str, Any] = {
    "question": "Which of these states is farthest north?",
    "choices": ["West Virginia", "Louisiana", "Arizona", "Oklahoma"],
    "answer": 0,
    "hint": "",
    "image": "image.png",
    "task": "closed choice",
    "grade": "grade2",
    "subject": "social science",
    "topic": "geography",
    "category": "Geography",
    "skill": "Read a map: cardinal directions",
    "lecture": "Maps have four cardinal directions.",
    "solution": "To find the answer, look at the compass rose.",
    "split": "train",
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(
        problems: dict[str, Any],
        pids: dict[str, Any] | None = None,
        base: str = "",
        images: str = "images",
    ) -> Path:
        folder = tmp_path / base
        folder.mkdir(parents=True, exist_ok=True)
        for pid, problem in problems.items():
            if isinstance(problem, dict) and problem.get("image"):
                place = folder / images / problem.get("split", "train") / pid
                place.mkdir(parents=True, exist_ok=True)
                (place / problem["image"]).write_bytes(problem.get("bytes", pid).encode())
        (folder / "problems.json").write_text(json.dumps(problems))
        splits = {"train": list(problems), "val": [], "test": [], "minival": []}
        (folder / "pid_splits.json").write_text(json.dumps(pids or splits))
        return tmp_path

    return write


def test_an_entry_of_the_official_form(make: Make) -> None:
    directory = make({"1": PROBLEM})
    [record] = load_published("scienceqa", directory, "train")
    assert record.images == (directory / "images/train/1/image.png",)
    assert record.question == PROBLEM["question"]
    assert record.options == tuple(PROBLEM["choices"])
    assert record.label == "West Virginia"
    assert record.id == "problems.json:1"


@pytest.mark.parametrize("base", ["", "data", "data/scienceqa", "scienceqa"])
def test_it_is_found_where_its_repository_has_it(make: Make, base: str) -> None:
    directory = make({"1": PROBLEM}, base=base)
    [record] = load_published("scienceqa", directory, "train")
    assert record.images == (directory / base / "images/train/1/image.png",)


def test_pictures_unpacked_beside_the_questions_are_found(make: Make) -> None:
    directory = make({"1": PROBLEM}, images=".")
    [record] = load_published("scienceqa", directory, "train")
    assert record.images == (directory / "train/1/image.png",)


def test_questions_without_a_picture_are_none_of_it(make: Make) -> None:
    problems = {"1": PROBLEM | {"image": None}, "2": PROBLEM, "3": PROBLEM | {"image": ""}}
    assert [r.id for r in load_published("scienceqa", make(problems), "train")] == [
        "problems.json:2"
    ]


def test_splits_and_their_order_are_those_of_the_file(make: Make) -> None:
    problems = {pid: PROBLEM | {"split": "test"} for pid in "123"}
    directory = make(problems, {"train": ["9"], "val": [], "test": ["3", "1"]})
    assert [r.id for r in load_published("scienceqa", directory)] == [
        "problems.json:3",
        "problems.json:1",
    ]


def test_equal_pictures_are_one_group(make: Make) -> None:
    problems = {pid: PROBLEM | {"bytes": shown} for pid, shown in zip("123", "aba", strict=True)}
    records = load_published("scienceqa", make(problems), "train")
    assert group_ids(records).tolist() == [0, 1, 0] or group_ids(records).tolist() == [1, 0, 1]


def test_questions_can_be_read_before_their_pictures_are_there(make: Make) -> None:
    directory = make({"1": PROBLEM})
    (directory / "images/train/1/image.png").unlink()
    loaded = read_split(find_task("scienceqa"), "train", directory, look=False)
    assert [(r.label, r.group) for r in loaded.records] == [("West Virginia", None)]
    with pytest.raises(DataError, match=r"1/image\.png"):
        load_published("scienceqa", directory, "train")


@pytest.mark.parametrize("n", [2, 3, 5])
def test_whatever_the_number_of_choices_the_label_names_the_same_text(make: Make, n: int) -> None:
    choices = ["yes", "no", "maybe", "it depends", "nobody knows"][:n]
    problems = {str(i): PROBLEM | {"choices": choices, "answer": i} for i in range(n)}
    records = load_published("scienceqa", make(problems), "train")
    template = find_task("scienceqa").template
    assert template is not None
    asked = unroll(records, template=template)
    right = [float(record.label == "yes") for record in asked.records]
    assert roll_up(right, asked) == [record.label for record in records] == choices
    assert [letter_record(record).label for record in records] == list(LETTERS[:n])


def test_every_bad_row_is_listed_at_once(make: Make) -> None:
    problems = {
        "1": PROBLEM,
        "2": PROBLEM | {"choices": ["a", "a"]},
        "3": PROBLEM | {"answer": "A"},
        "4": ["not", "an", "object"],
        "5": PROBLEM | {"question": ""},
    }
    directory = make(problems, {"train": [*"12345", "77", 6], "val": [], "test": []})
    with pytest.raises(DataError) as caught:
        load_published("scienceqa", directory, "train")
    assert {(p.where, p.what) for p in caught.value.problems} == {
        ("problems.json:2", "'choices' has the same text twice: ['a', 'a']"),
        ("problems.json:3", "'answer' must be 0 to 3, not 'A'"),
        ("problems.json:4", "not a JSON object"),
        ("problems.json:5", "'question' must be text, not ''"),
        ("pid_splits.json:6", "train: '77' is no question of problems.json"),
        ("pid_splits.json:7", "train: 6 is no question of problems.json"),
    }
    with pytest.warns(DataWarning, match="left out"):
        records = load_published("scienceqa", directory, "train", skip_bad=True)
    assert [record.id for record in records] == ["problems.json:1"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("problems.json", "[]", "no JSON object"),
        ("problems.json", "{", "Not valid JSON"),
        ("pid_splits.json", "[]", "no JSON object"),
        ("pid_splits.json", '{"test": []}', "no list 'train'"),
        ("pid_splits.json", '{"train": {}}', "no list 'train'"),
    ],
)
def test_files_of_another_form_are_refused(make: Make, name: str, text: str, said: str) -> None:
    directory = make({"1": PROBLEM})
    (directory / name).write_text(text)
    with pytest.raises(DataError, match=said):
        load_published("scienceqa", directory, "train")


def test_a_missing_split_file_is_named_with_where_it_comes_from(make: Make) -> None:
    directory = make({"1": PROBLEM})
    (directory / "pid_splits.json").unlink()
    with pytest.raises(DataError, match=r"pid_splits\.json.*lupantech/ScienceQA"):
        load_published("scienceqa", directory, "train")


def test_its_counts_are_those_of_all_questions_with_a_picture() -> None:
    splits = find_task("scienceqa").splits
    assert sum(split.count or 0 for split in splits.values()) == 10_332
    assert next(name for name, split in splits.items() if split.role == "test") == "test"
