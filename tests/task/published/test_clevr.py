from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from published_files import CLEVR, clevr, document, picture
from superneurons.errors import DataError
from superneurons.task.labels import DataWarning
from superneurons.task.published.load import load_published
from superneurons.task.published.registry import find_task


def test_yes_no_questions_are_kept_as_they_are(tmp_path: Path) -> None:
    other = CLEVR[0] | {"question": "How many cubes are there?", "answer": "3"}
    records = load_published("clevr", clevr(tmp_path, [other, *CLEVR]))
    assert [(r.question, r.label) for r in records] == [
        ("Are there any cubes?", "yes"),
        ("Is it red?", "no"),
        ("Are there balls?", "no"),
    ]
    assert records[0].id == "questions/CLEVR_val_questions.json:2"
    assert records[2].images == (tmp_path / "images/val/CLEVR_val_000001.png",)
    assert [r.group for r in records] == ["clevr/CLEVR_val_000000.png"] * 2 + [
        "clevr/CLEVR_val_000001.png"
    ]


def test_the_unpacked_folder_may_lie_inside(tmp_path: Path) -> None:
    clevr(tmp_path / "CLEVR_v1.0")
    assert len(load_published("clevr", tmp_path, "val")) == 3


def test_questions_without_answers_are_said(tmp_path: Path) -> None:
    asked = [{k: v for k, v in row.items() if k != "answer"} for row in CLEVR]
    with pytest.raises(DataError) as caught:
        load_published("clevr", clevr(tmp_path, asked))
    assert len(caught.value.problems) == 3
    assert "'answer' is missing" in str(caught.value)


@pytest.mark.parametrize("field", ["image_filename", "question"])
def test_a_yes_no_question_that_lacks_something_is_said(tmp_path: Path, field: str) -> None:
    row = {k: v for k, v in CLEVR[1].items() if k != field}
    with pytest.raises(DataError) as caught:
        load_published("clevr", clevr(tmp_path, [CLEVR[0], row, CLEVR[2]]))
    assert [str(p) for p in caught.value.problems] == [
        f"questions/CLEVR_val_questions.json:2: {field!r} is missing"
    ]


def test_other_questions_are_left_out_without_a_word_whatever_they_lack(tmp_path: Path) -> None:
    """Counts, colours and shapes are most of the file; their pictures need not be there."""
    others = [
        CLEVR[0] | {"answer": answer, "image_filename": "gone.png"}
        for answer in ("3", "red", "Yes", "yes ")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = load_published("clevr", clevr(tmp_path, [*others, *CLEVR]))
    assert [r.id.rsplit(":", 1)[1] for r in records] == ["5", "6", "7"]


def test_a_missing_picture_takes_its_records_with_it(tmp_path: Path) -> None:
    clevr(tmp_path)
    (tmp_path / "images/val/CLEVR_val_000000.png").unlink()
    with pytest.warns(DataWarning, match="2 records without pictures"):
        (record,) = load_published("clevr", tmp_path, skip_bad=True)
    assert record.question == "Are there balls?"


def test_train_is_what_is_probed_and_val_what_is_scored(tmp_path: Path) -> None:
    task = find_task("clevr")
    assert {name: split.role for name, split in task.splits.items()} == {
        "train": "probe", "val": "test"
    }  # fmt: skip
    assert (task.answers, task.n_probe) == (("yes", "no"), 3000)
    document(tmp_path / "questions/CLEVR_train_questions.json", {"questions": CLEVR[:1]})
    picture(tmp_path / "images/train/CLEVR_val_000000.png")
    (record,) = load_published("clevr", tmp_path, "train")
    assert record.images == (tmp_path / "images/train/CLEVR_val_000000.png",)
