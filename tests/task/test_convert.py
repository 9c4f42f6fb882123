from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from superneurons.task.convert import Converter, near_field
from superneurons.task.record import Record
from superneurons.task.rows import Row


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path) -> Path:
    for name in ("a.png", "b c.png", "ü.png"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    return tmp_path


GOOD = {"image": "a.png", "question": "Cat?", "label": "yes"}


def convert(
    base: Path, values: dict[str, Any], question: str | None = None, require_labels: bool = True
) -> tuple[Record, list[str]]:
    converter = Converter(base, question, require_labels)
    record = converter.convert(Row("x.jsonl:3", values, values.keys()))
    assert {problem.where for problem in converter.problems} <= {"x.jsonl:3"}
    return record, [problem.what for problem in converter.problems]


def test_a_full_row(tmp_path: Path) -> None:
    values = {"images": ["a.png", "b c.png"], "question": "Same?", "label": "yes"}
    values |= {"options": ["yes", "no"], "group": "g", "id": "q1", "weight": 3}
    record, problems = convert(tmp_path, values)
    assert problems == []
    expected = (tmp_path / "a.png", tmp_path / "b c.png")
    assert record == Record(expected, "Same?", "yes", ("yes", "no"), "g", "q1")


def test_a_row_without_id_is_called_by_its_place(tmp_path: Path) -> None:
    assert convert(tmp_path, GOOD)[0].id == "x.jsonl:3"


def test_the_common_question_serves_rows_without_one(tmp_path: Path) -> None:
    assert convert(tmp_path, {"image": "a.png", "label": "yes"}, "Dog?")[0].question == "Dog?"
    assert convert(tmp_path, GOOD, "Dog?")[0].question == "Cat?"


def test_labels_may_be_left_out_when_only_asking(tmp_path: Path) -> None:
    record, problems = convert(
        tmp_path, {"image": "a.png", "question": "Cat?"}, require_labels=False
    )
    assert (record.label, problems) == (None, [])


def test_whole_numbers_are_labels(tmp_path: Path) -> None:
    record, problems = convert(tmp_path, GOOD | {"label": 3, "options": [2, "3"], "group": 0})
    assert (record.label, record.options, record.group, problems) == ("3", ("2", "3"), "0", [])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"question": None}, "no 'question'; give each row one, or one for all"),
        ({"question": " "}, "question is empty"),
        ({"question": ["Cat?"]}, "question must be text, not a list (['Cat?'])"),
        ({"label": None}, "no 'label'"),
        ({"label": ""}, "label is empty"),
        ({"label": True}, "label must be text, not true or false (True)"),
        ({"label": 1.5}, "label must be text, not a number (1.5)"),
        ({"label": "\ud800"}, r"label is not valid Unicode text: '\ud800'"),
        (
            {"options": ["no", "maybe"]},
            "label 'yes' is not one of the options 'no', 'maybe'",
        ),
        ({"options": "yes|no"}, "options must be a list of texts, not text ('yes|no')"),
        ({"options": ["yes", None]}, "one of the options must be text, not null (None)"),
        (
            {"options": ["yes", "yes"]},
            "options must be two or more different texts, not 'yes', 'yes'",
        ),
        ({"options": []}, "options must be two or more different texts, not none"),
        ({"group": 1.0}, "group must be text, not a number (1.0)"),
        ({"image": None}, "no 'image'"),
        ({"image": ""}, "image is empty"),
        ({"image": 5}, "image must be a path, not a number (5)"),
        ({"image": ["a.png"]}, "image must be one picture; for several, use 'images'"),
        ({"image": {"url": "a.png"}}, "image must be a path, not an object ({'url': 'a.png'})"),
        ({"images": ["a.png"]}, "both 'image' and 'images'; keep one of them"),
        ({"image": None, "images": []}, "images is an empty list"),
        (
            {"image": None, "images": "a.png"},
            "images must be a list, not text ('a.png'); for one, use 'image'",
        ),
        ({"image": None, "images": ["a.png", None]}, "image must be a path, not null (None)"),
    ],
)
def test_each_problem_is_said(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    assert convert(tmp_path, GOOD | changed)[1] == [problem]


def test_all_problems_of_a_row_are_said(tmp_path: Path) -> None:
    _, problems = convert(
        tmp_path, {"images": ["x.png", "y.png"], "question": "", "label": None, "group": []}
    )
    assert len(problems) == 5


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("img", "no 'image' (found 'img', did you mean 'image'?)"),
        ("Image ", "no 'image' (found 'Image ', did you mean 'image'?)"),
        ("file_name", "no 'image' (found 'file_name', did you mean 'image'?)"),
        ("weight", "no 'image'"),
    ],
)
def test_misspelt_fields_are_recognised(tmp_path: Path, name: str, hint: str) -> None:
    values = {name: "a.png", "question": "Cat?", "label": "yes"}
    assert convert(tmp_path, values)[1] == [hint]


def test_a_known_field_is_never_taken_for_a_misspelt_one() -> None:
    assert near_field("image", {"images", "label", "id"}) is None
    assert near_field("label", {"lable", "answer"}) == "lable"
    assert near_field("label", {"answer"}) == "answer"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("gone.png", "no such picture: '{base}/gone.png'"),
        ("sub", "'{base}/sub' is a folder, not a picture"),
        (r"sub\a.png", r"no such picture: '{base}/sub\\a.png'; write paths with '/'"),
        (
            "https://example.org/a.png",
            "pictures from the net are not read: "
            "download 'https://example.org/a.png' first, give its path",
        ),
        (
            "data:image/png;base64,AAAA",
            "pictures from the net are not read: "
            "download 'data:image/png;base64,AAAA' first, give its path",
        ),
        ("~nobody-at-all/a.png", "no such picture: '{base}/~nobody-at-all/a.png'"),
        ("a.png\0", r"no such picture: '{base}/a.png\x00'"),
        ("a" * 5000, "no such picture: '{base}/" + "a" * 5000 + "'"),
    ],
)
def test_pictures_that_are_not_there(tmp_path: Path, path: str, problem: str) -> None:
    base = tmp_path
    assert convert(base, GOOD | {"image": path})[1] == [problem.replace("{base}", str(base))]


def test_paths_with_spaces_letters_of_all_kinds_and_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    elsewhere = tmp_path / "sub"
    for text in ("~/b c.png", str(tmp_path / "ü.png"), "../a.png"):
        record, problems = convert(elsewhere, GOOD | {"image": text})
        assert problems == []
        assert record.images[0].is_file()


def test_embedded_pictures(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    data = buffer.getvalue()
    for value in (data, {"bytes": data, "path": "gone.png"}, {"bytes": data}):
        record, problems = convert(tmp_path, GOOD | {"image": value})
        assert problems == []
        assert record.images[0].size == (3, 2)
    record, problems = convert(tmp_path, GOOD | {"image": {"bytes": None, "path": "a.png"}})
    assert (record.images, problems) == ((tmp_path / "a.png",), [])
    _, problems = convert(tmp_path, GOOD | {"image": {"bytes": b"no", "path": None}})
    assert problems == ["embedded picture: This is not a picture that Pillow can read."]


def test_a_picture_that_rows_repeat_is_opened_once(tmp_path: Path) -> None:
    def png(colour: str) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (3, 2), colour).save(buffer, "PNG")
        return buffer.getvalue()

    converter = Converter(tmp_path, None, True)
    first, second, other = (
        converter.convert(Row("x:1", GOOD | {"image": {"bytes": png(colour)}}, ()))
        for colour in ("red", "red", "blue")
    )
    assert first.images[0] is second.images[0]
    assert first.images[0] is not other.images[0]
