from __future__ import annotations

from pathlib import Path

import pytest

import published_files as files
from superneurons.errors import DataError
from superneurons.task.published.base import Needed
from superneurons.task.published.reader import Reader
from superneurons.task.rows import Row


def test_the_first_place_that_is_there_is_taken(tmp_path: Path) -> None:
    needed = Needed("a/", "pictures", "https://x.org", also=("b/", "c/"))
    reader = Reader(tmp_path)
    assert reader.place(needed) == "a/"
    (tmp_path / "c").mkdir()
    assert reader.place(needed) == "c/"
    (tmp_path / "a").mkdir()
    assert reader.place(needed) == "a/"


def test_lines_and_rows_are_counted_from_one(tmp_path: Path) -> None:
    files.lines(tmp_path / "r.json", [{"a": 1}, 2, {"a": 3}])
    reader = Reader(tmp_path)
    assert [row.where for row in reader.lines("r.json")] == ["r.json:1", "r.json:3"]
    assert [row.where for row in reader.rows("q.json", [{}, None, {}])] == ["q.json:1", "q.json:3"]
    assert [problem.where for problem in reader.problems] == ["r.json:2", "q.json:2"]
    with pytest.raises(DataError, match="holds no list"):
        list(reader.rows("q.json", {}))


def test_text_must_be_there_and_be_text() -> None:
    reader = Reader(Path())
    row = Row("r:1", {"a": "x", "b": " ", "c": 5}, ("a", "b", "c"))
    assert [reader.text(row, name) for name in "abcd"] == ["x", None, None, None]
    assert [str(problem) for problem in reader.problems] == [
        "r:1: 'b' must be text, not ' '",
        "r:1: 'c' must be text, not 5",
        "r:1: 'd' is missing",
    ]


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "../..", "", "/"])
def test_odd_names_are_missing_pictures(tmp_path: Path, name: str) -> None:
    reader = Reader(tmp_path)
    assert reader.picture(f"p/{name}") is None
    assert reader.missing == {f"p/{name}": 1}


def test_text_that_cannot_be_written_is_none() -> None:
    reader = Reader(Path())
    assert reader.text(Row("r:1", {"a": "\ud800"}, ("a",)), "a") is None
    assert "'a' must be text" in reader.problems[0].what


def test_a_missing_picture_is_kept_once_with_how_often_it_is_asked_for(tmp_path: Path) -> None:
    there = files.picture(tmp_path / "p/a.png")
    reader = Reader(tmp_path)
    assert [reader.picture(name) for name in ("p/a.png", "p/b.png", "p/b.png", "p/c.png")] == [
        there,
        None,
        None,
        None,
    ]
    assert reader.missing == {"p/b.png": 2, "p/c.png": 1}
    assert Reader(tmp_path, look=False).picture("p/b.png") == tmp_path / "p/b.png"
    assert reader.picture("p/b.png", 5) is None
    assert reader.picture("p/a.png", 5) == there
    assert reader.missing == {"p/b.png": 7, "p/c.png": 1}


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "p.png").mkdir()
    assert Reader(tmp_path).picture("p.png") is None


def test_a_place_of_its_own_goes_before_others_in_their_order(tmp_path: Path) -> None:
    needed = Needed("q.json", "questions", "https://x.org", also=("b/q.json", "c/q.json"))
    for place in ("c/q.json", "b/q.json", "q.json"):
        files.document(tmp_path / place, {})
        assert Reader(tmp_path).place(needed) == place


def test_a_document_that_is_cut_off_is_said_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text('[{"a": 1},\n{"a":')
    with pytest.raises(DataError, match=r"Not valid JSON: (.|\n)*q\.json:2(.|\n)*again"):
        Reader(tmp_path).document("q.json")
    (tmp_path / "q.json").write_text("[1, 2]")
    assert Reader(tmp_path).document("q.json") == [1, 2]


def test_several_lists_come_with_their_names(tmp_path: Path) -> None:
    files.document(tmp_path / "q.json", {"b": [1], "a": [2, 3], "c": [4]})
    found = Reader(tmp_path).lists("q.json", ("a", "b"))
    assert list(found) == [("b", 1), ("a", 2), ("a", 3)]


def test_a_row_keeps_what_it_holds(tmp_path: Path) -> None:
    (row,) = Reader(tmp_path).rows("q.json", [{"a": 1, "b": None}])
    assert dict(row.values) == {"a": 1, "b": None}


def test_items_come_one_by_one(tmp_path: Path) -> None:
    files.document(tmp_path / "q.json", {"info": {}, "questions": [1, 2]})
    items = Reader(tmp_path).items("q.json", "questions")
    assert [row.where for row in Reader(tmp_path).rows("q.json", iter([{}]))] == ["q.json:1"]
    assert list(items) == [1, 2]
