from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from published_files import VIZWIZ, document, picture, vizwiz
from superneurons.errors import DataError
from superneurons.task.published.load import load_published


def row(image: int, *answers: str, question: str = "Is it?") -> dict[str, Any]:
    return {
        "image": f"VizWiz_val_{image:08}.jpg",
        "question": question,
        "answers": [{"answer": a, "answer_confidence": "maybe"} for a in answers],
        "answer_type": "other",
        "answerable": 1,
    }


def test_the_most_frequent_answer_is_the_label(tmp_path: Path) -> None:
    records = load_published("vizwiz", vizwiz(tmp_path), "val-all")
    assert [(r.question, r.label) for r in records] == [
        ("Is this light on?", "yes"),
        ("Is it clean?", "no"),
        ("Is this milk?", "yes"),
    ]
    assert records[1].id == "val.json:2"
    assert records[1].images == (tmp_path / "val/VizWiz_val_00000001.jpg",)


def test_other_questions_and_ties_are_left_out_without_a_word(tmp_path: Path) -> None:
    rows = [
        row(0, "yes", "no"),
        row(1, "unanswerable", "unanswerable", "yes"),
        row(2, "red"),
        row(3, "no"),
    ]
    records = load_published("vizwiz", vizwiz(tmp_path, rows), "val-all")
    assert [r.id for r in records] == ["val.json:4"]


def test_pictures_of_other_questions_need_not_be_there(tmp_path: Path) -> None:
    vizwiz(tmp_path, [*VIZWIZ, row(99, "a blue mug")])
    assert len(load_published("vizwiz", tmp_path, "val-all")) == 3


def test_val_is_balanced_and_the_same_each_time(tmp_path: Path) -> None:
    records = load_published("vizwiz", vizwiz(tmp_path), "val")
    assert sorted(str(r.label) for r in records) == ["no", "yes"]
    assert records == load_published("vizwiz", tmp_path)


def test_annotations_may_lie_in_their_folder(tmp_path: Path) -> None:
    document(tmp_path / "Annotations/train.json", [row(0, "yes")])
    picture(tmp_path / "train/VizWiz_val_00000000.jpg")
    assert load_published("vizwiz", tmp_path, "train")[0].id == "Annotations/train.json:1"


@pytest.mark.parametrize("answers", [None, [], "yes", 5, [{"confidence": "yes"}], ["yes"]])
def test_answers_must_be_there(tmp_path: Path, answers: object) -> None:
    vizwiz(tmp_path, [VIZWIZ[0], VIZWIZ[1] | {"answers": answers}])
    with pytest.raises(DataError, match=r"val\.json:2: 'answers' must be a list of objects"):
        load_published("vizwiz", tmp_path, "val-all")


def test_answers_are_counted_however_they_are_written(tmp_path: Path) -> None:
    rows = [row(0, "Yes", " YES ", "no", "No", "yes"), row(1, "NO", "yes", "no ")]
    records = load_published("vizwiz", vizwiz(tmp_path, rows), "val-all")
    assert [r.label for r in records] == ["yes", "no"]


def test_the_order_of_answers_changes_nothing(tmp_path: Path) -> None:
    rows = [
        row(0, "yes", "red", "yes", "no", "no"), row(1, "no", "yes", "no"), row(2, "red", "yes")
    ]  # fmt: skip
    turned = [one | {"answers": one["answers"][::-1]} for one in rows]
    first = load_published("vizwiz", vizwiz(tmp_path, rows), "val-all")
    assert load_published("vizwiz", vizwiz(tmp_path, turned), "val-all") == first
    assert [r.id for r in first] == ["val.json:2"]


def test_balancing_keeps_the_files_order_and_all_of_the_rarer_answer(tmp_path: Path) -> None:
    rows = [row(i % 4, "yes" if i % 5 else "no") for i in range(20)]
    everything = load_published("vizwiz", vizwiz(tmp_path, rows), "val-all")
    records = load_published("vizwiz", tmp_path, "val")
    assert [r for r in records if r.label == "no"] == [r for r in everything if r.label == "no"]
    assert sum(r.label == "yes" for r in records) == 4
    places = [everything.index(r) for r in records]
    assert places == sorted(places)


@pytest.mark.parametrize("field", ["image", "question"])
def test_a_yes_no_question_that_lacks_something_is_said(tmp_path: Path, field: str) -> None:
    vizwiz(tmp_path, [VIZWIZ[0], {k: v for k, v in VIZWIZ[1].items() if k != field}])
    with pytest.raises(DataError, match=rf"val\.json:2: '{field}' is missing"):
        load_published("vizwiz", tmp_path, "val-all")
