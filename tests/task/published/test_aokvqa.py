from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.errors import DataError
from superneurons.task.labels import DataWarning
from superneurons.task.lettered import LETTERS, letter_record
from superneurons.task.published.load import load_published
from superneurons.task.published.registry import find_task
from superneurons.task.unroll import unroll

Make = Callable[..., Path]

# As the official file has it (its first entry, rationales shortened).
ENTRY: dict[str, Any] = {
    "split": "train",
    "image_id": 299207,
    "question_id": "22MexNkBPpdZGX6sxbxVBH",
    "question": "What is the man by the bags awaiting?",
    "choices": ["skateboarder", "train", "delivery", "cab"],
    "correct_choice_idx": 3,
    "direct_answers": ["ride", "ride", "bus", "taxi", "travelling"],
    "difficult_direct_answer": False,
    "rationales": ["A train would not be on the street."],
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(*entries: Any, split: str = "train", pictures: str | None = None) -> Path:
        folder = tmp_path / (pictures or f"{split}2017")
        folder.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            if isinstance(entry, dict) and isinstance(entry.get("image_id"), int):
                (folder / f"{entry['image_id']:012}.jpg").write_bytes(b"not looked into")
        (tmp_path / f"aokvqa_v1p0_{split}.json").write_text(json.dumps(list(entries)))
        return tmp_path

    return write


def test_the_official_entry(make: Make) -> None:
    directory = make(ENTRY)
    [record] = load_published("aokvqa", directory, "train")
    assert record.images == (directory / "train2017/000000299207.jpg",)
    assert record.question == "What is the man by the bags awaiting?"
    assert record.options == ("skateboarder", "train", "delivery", "cab")
    assert record.label == "cab"
    assert record.group == "coco/000000299207"
    assert record.id == "22MexNkBPpdZGX6sxbxVBH"


def test_letters_and_the_papers_questions_name_the_same_option(make: Make) -> None:
    entries = [ENTRY | {"correct_choice_idx": i, "question_id": str(i)} for i in range(4)]
    template = find_task("aokvqa").template
    assert template is not None
    for index, record in enumerate(load_published("aokvqa", make(*entries), "train")):
        assert record.label == ENTRY["choices"][index]
        assert letter_record(record).label == LETTERS[index]
        asked = unroll([record], template=template).records
        assert [one.label for one in asked] == ["yes" if i == index else "no" for i in range(4)]
        assert asked[3].question == (
            "What is the man by the bags awaiting? Is it cab? Answer with yes or no."
        )


def test_pictures_in_a_coco_folder_are_found(make: Make) -> None:
    directory = make(ENTRY, split="val", pictures="coco/val2017")
    [record] = load_published("aokvqa", directory)
    assert record.images == (directory / "coco/val2017/000000299207.jpg",)


def test_test_questions_have_no_labels_and_need_none(make: Make) -> None:
    hidden = {k: v for k, v in ENTRY.items() if k not in ("correct_choice_idx", "direct_answers")}
    [record] = load_published("aokvqa", make(hidden, split="test"), "test")
    assert record.label is None
    assert record.options is not None
    assert find_task("aokvqa").splits["test"].role == "ask"


def test_every_bad_row_is_listed_at_once(make: Make) -> None:
    directory = make(
        ENTRY,
        ENTRY | {"choices": None, "correct_choice_idx": 8},
        "text",
        ENTRY | {"question": 3, "correct_choice_idx": 4},
        ENTRY | {"image_id": "299207"},
        ENTRY | {"image_id": True},
    )
    with pytest.raises(DataError) as caught:
        load_published("aokvqa", directory, "train")
    said = [(p.where.rsplit(":", 1)[1], p.what) for p in caught.value.problems]
    assert sorted(said) == [
        ("2", "'choices' must be a list, not None"),
        ("3", "not a JSON object"),
        ("4", "'correct_choice_idx' must be 0 to 3, not 4"),
        ("4", "'question' must be text, not 3"),
        ("5", "'image_id' must be COCO's number of a picture, not '299207'"),
        ("6", "'image_id' must be COCO's number of a picture, not True"),
    ]


def test_bad_rows_and_missing_pictures_are_left_out_when_asked_to(make: Make) -> None:
    directory = make(ENTRY, ENTRY | {"choices": []}, ENTRY | {"image_id": 7})
    (directory / "train2017/000000000007.jpg").unlink()
    with pytest.raises(DataError, match=r"000000000007\.jpg"):
        load_published("aokvqa", directory, "train")
    with pytest.warns(DataWarning, match=r"left out"):
        records = load_published("aokvqa", directory, "train", skip_bad=True)
    assert [record.id for record in records] == [ENTRY["question_id"]]


def test_a_row_without_an_id_is_called_by_its_place(make: Make) -> None:
    [record] = load_published("aokvqa", make(ENTRY | {"question_id": ""}), "train")
    assert record.id == "aokvqa_v1p0_train.json:1"


def test_a_file_that_is_no_list_is_refused(make: Make) -> None:
    directory = make(ENTRY)
    (directory / "aokvqa_v1p0_train.json").write_text('{"questions": []}')
    with pytest.raises(DataError, match="no list"):
        load_published("aokvqa", directory, "train")


def test_what_is_published_of_it() -> None:
    task = find_task("aokvqa")
    assert {name: split.count for name, split in task.splits.items()} == {
        "train": 17_056,
        "val": 1_145,
        "test": 6_702,
    }
    assert sum(split.count or 0 for split in task.splits.values()) == 24_903
    assert task.unrolled
