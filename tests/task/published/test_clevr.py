from __future__ import annotations

from pathlib import Path

import pytest

from published_files import CLEVR, clevr
from superneurons.errors import DataError
from superneurons.task.published.load import load_published


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
