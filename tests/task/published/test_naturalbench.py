from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from published_files import naturalbench
from superneurons.errors import DataError
from superneurons.task.groups import group_ids
from superneurons.task.images import image_key, open_image
from superneurons.task.published.load import load_published


def test_a_row_is_one_group_of_four(tmp_path: Path) -> None:
    records = load_published("naturalbench", naturalbench(tmp_path))
    assert [(r.id, r.question, r.label) for r in records] == [
        (f"naturalbench/17:{pair}", f"Is the dog {state}? Answer with Yes or No.", label)
        for pair, state, label in [
            ("q0_i0", "asleep", "yes"),
            ("q0_i1", "asleep", "no"),
            ("q1_i0", "awake", "no"),
            ("q1_i1", "awake", "yes"),
        ]
    ]
    assert len(set(group_ids(records).tolist())) == 1
    first, second, third, _ = (image_key(r.images[0]) for r in records)
    assert first == third != second
    assert open_image(records[0].images[0]).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Question_Type": "open"}, "'Question_Type' must be yes_no or multiple_choice"),
        ({"Image_1": None}, "'Image_1' holds no picture"),
        ({"Image_0": {"bytes": b"gif?", "path": None}}, "'Image_0': "),
        ({"Image_0_Question_1": "B"}, "'Image_0_Question_1' must be Yes or No, not 'B'"),
        ({"Question_1": " "}, "'Question_1' must be text"),
    ],
)
def test_a_group_with_a_fault_is_left_out_whole(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    naturalbench(tmp_path, **changed)
    with pytest.raises(DataError) as caught:
        load_published("naturalbench", tmp_path)
    assert [p.where for p in caught.value.problems] == ["train-00000-of-00001.parquet:1"]
    assert said in caught.value.problems[0].what


def test_its_type_is_also_called_with_a_space(tmp_path: Path) -> None:
    naturalbench(tmp_path, **{"Question_Type": None, "Question Type": "yes_no"})
    assert len(load_published("naturalbench", tmp_path)) == 4


def test_a_folder_without_tables_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="There are no Parquet files"):
        load_published("naturalbench", tmp_path)


def test_pictures_and_answers_are_not_swapped(tmp_path: Path) -> None:
    """Every one of the four answers is another cell; three are "no"."""
    rest = {"Image_0_Question_1": "No", "Image_1_Question_0": "No", "Image_1_Question_1": "No"}
    for image in range(2):
        for question in range(2):
            changed = {"Image_0_Question_0": "No", **rest}
            changed[f"Image_{image}_Question_{question}"] = " YES "
            records = load_published("naturalbench", naturalbench(tmp_path, **changed))
            (yes,) = (r for r in records if r.label == "yes")
            assert yes.id == f"naturalbench/17:q{question}_i{image}"
            assert yes.question.startswith("Is the dog " + ("asleep", "awake")[question])
            red = open_image(yes.images[0]).getpixel((0, 0)) == (255, 0, 0)
            assert red == (image == 0)


def test_all_faults_of_a_row_are_said_at_once(tmp_path: Path) -> None:
    naturalbench(tmp_path, Image_1=None, Question_0=None, Image_1_Question_1="maybe")
    with pytest.raises(DataError) as caught:
        load_published("naturalbench", tmp_path)
    said = " ".join(p.what for p in caught.value.problems)
    assert len(caught.value.problems) == 3
    assert all(name in said for name in ("'Image_1'", "'Question_0'", "'Image_1_Question_1'"))


@pytest.mark.parametrize(("index", "group"), [
    (0, "naturalbench/0"), (None, "naturalbench/train-00000-of-00001.parquet:1")
])  # fmt: skip
def test_a_row_without_a_number_is_a_group_by_its_place(
    tmp_path: Path, index: int | None, group: str
) -> None:
    records = load_published("naturalbench", naturalbench(tmp_path, Index=index))
    assert {r.group for r in records} == {group}


def test_tables_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    naturalbench(tmp_path, Index=2)
    first = tmp_path / "data/train-00000-of-00001.parquet"
    first.rename(tmp_path / "data/train-00001-of-00002.parquet")
    naturalbench(tmp_path, Index=1)
    records = load_published("naturalbench", tmp_path)
    assert list(dict.fromkeys(r.group for r in records)) == ["naturalbench/1", "naturalbench/2"]
