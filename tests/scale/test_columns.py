from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superneurons.errors import DataError
from superneurons.scale.columns import converted, rows_of_columns
from superneurons.task.images import open_image
from superneurons.task.record import Record
from superneurons.task.rows import Row

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


def record_of(value: object, field: str = "image") -> Record:
    rows = rows_of_columns({field: [value], "question": ["What?"]})
    record = converted(rows)[0]
    assert isinstance(record, Record), record
    return record


@pytest.mark.parametrize("kind", ["bytes", "dict", "picture", "pixels", "bytearray"])
def test_a_picture_is_the_same_however_it_comes(kind: str) -> None:
    given = {
        "bytes": png(),
        "dict": {"bytes": png(), "path": None},
        "picture": Image.fromarray(PIXELS),
        "pixels": PIXELS,
        "bytearray": bytearray(png()),
    }[kind]
    assert np.array_equal(np.asarray(open_image(record_of(given).images[0])), PIXELS)


def test_a_stack_of_pixels_is_one_picture_per_row() -> None:
    rows = rows_of_columns({"image": np.stack([PIXELS, PIXELS[::-1]]), "question": ["a", "b"]})
    second = converted(rows)[1]
    assert isinstance(second, Record)
    assert np.array_equal(np.asarray(second.images[0]), PIXELS[::-1])


def test_several_pictures_and_options_come_as_arrays() -> None:
    images = np.empty(1, dtype=object)
    images[0] = np.array([png(), png()], dtype=object)
    options = np.empty(1, dtype=object)
    options[0] = np.array(["red", "blue"])
    rows = rows_of_columns({"images": images, "options": options, "question": np.array(["Which?"])})
    record = converted(rows)[0]
    assert isinstance(record, Record)
    assert len(record.images) == 2
    assert record.options == ("red", "blue")


def test_what_pandas_leaves_empty_is_nothing() -> None:
    batch = {"image": [PIXELS], "question": [float("nan")], "id": [np.int64(7)]}
    record = converted(rows_of_columns(batch), question="What?")[0]
    assert isinstance(record, Record)
    assert (record.question, record.id) == ("What?", "7")


def test_other_columns_are_left_alone() -> None:
    assert rows_of_columns({"image": ["a.png"], "weight": [0.5]})[0].values == {"image": "a.png"}
    assert rows_of_columns({}) == []


def test_paths_start_at_the_base(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    row = Row("x:1", {"image": "a.png", "question": "What?"}, ["image", "question"])
    good, bad = converted([row], base=tmp_path)[0], converted([row])[0]
    assert isinstance(good, Record)
    assert good.images == (tmp_path / "a.png",)
    assert isinstance(bad, DataError)


def test_each_bad_row_has_its_own_error() -> None:
    batch = {
        "image": [png(), b"no picture", np.zeros((2, 2, 9), np.uint8), 3],
        "question": ["What?"] * 3 + [""],
    }
    found = converted(rows_of_columns(batch))
    assert isinstance(found[0], Record)
    said = [str(error) for error in found[1:]]
    assert "embedded picture" in said[0]
    assert "(2, 2, 9)" in said[1]
    assert "question is empty" in said[2]
    assert "image must be a path" in said[2]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="differ in length") as caught:
        rows_of_columns({"image": ["a", "b"], "question": ["c"]})
    assert [problem.where for problem in caught.value.problems] == ["image", "question"]


def test_an_error_says_what_is_wrong_with_its_own_row_only() -> None:
    batch = {"image": ["gone.png", png(), "lost.png"], "question": ["a", "", "c"]}
    found = converted(rows_of_columns(batch))
    assert all(isinstance(error, DataError) for error in found)
    wheres = [[p.where for p in error.problems] for error in found if isinstance(error, DataError)]
    assert wheres == [["row 0"], ["row 1"], ["row 2"]]


def test_engines_types_become_those_of_json() -> None:
    batch = {
        "image": [io.BytesIO(b"a"), memoryview(b"b"), bytearray(b"c"), np.str_("d.png")],
        "options": [np.array(["x", "y"]), ("x", "y"), [np.str_("x")], None],
        "id": [np.int64(3), np.float64("nan"), float("nan"), np.str_("z")],
        "group": [np.bool_(True), 1.5, np.float32(0.5), "g"],
    }
    rows = [row.values for row in rows_of_columns(batch)]
    assert [row["image"] for row in rows] == [b"a", b"b", b"c", "d.png"]
    assert [row["options"] for row in rows] == [["x", "y"], ["x", "y"], ["x"], None]
    assert [row["id"] for row in rows] == [3, None, None, "z"]
    assert [row["group"] for row in rows] == [True, 1.5, 0.5, "g"]
    plain = (str, bytes, int, float, bool, list, type(None))
    assert all(type(value) in plain for row in rows for value in row.values())


def test_pixels_stay_pixels_and_a_row_of_pictures_becomes_a_list() -> None:
    grey = np.zeros((4, 4), np.uint8)
    (row,) = rows_of_columns({"image": [grey], "images": [[PIXELS, grey]]})
    assert row.values["image"] is grey
    first, second = row.values["images"]
    assert first is PIXELS
    assert second is grey
    stacked = rows_of_columns({"images": [np.stack([PIXELS, PIXELS])]})[0].values["images"]
    assert [picture.shape for picture in stacked] == [(4, 4, 3)] * 2
    options = rows_of_columns({"options": [np.array([["a", "b"]])]})[0].values["options"]
    assert isinstance(options, list)


def test_rows_are_named_by_number_and_know_all_columns() -> None:
    rows = rows_of_columns({"image": ["a", "b"], "weight": np.arange(2)})
    assert [row.where for row in rows] == ["row 0", "row 1"]
    assert [sorted(row.found) for row in rows] == [["image", "weight"]] * 2
    assert [row.values for row in rows] == [{"image": "a"}, {"image": "b"}]


def test_columns_that_records_do_not_know_must_be_as_long_too() -> None:
    with pytest.raises(DataError) as caught:
        rows_of_columns({"image": ["a", "b"], "weight": [1, 2, 3]})
    assert [str(problem.what) for problem in caught.value.problems] == ["2 values", "3 values"]
    assert rows_of_columns({"image": [], "question": []}) == []


def test_a_row_s_own_question_comes_first() -> None:
    batch = {"image": [PIXELS, PIXELS], "question": ["Own?", None]}
    found = converted(rows_of_columns(batch), question="Usual?")
    assert [r.question for r in found if isinstance(r, Record)] == ["Own?", "Usual?"]
    missing = converted(rows_of_columns({"image": [PIXELS]}))[0]
    assert isinstance(missing, DataError)
    assert "question" in str(missing)
