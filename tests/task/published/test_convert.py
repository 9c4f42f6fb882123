from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import published_files as files
from superneurons.errors import DataError, OutputError
from superneurons.task.images import image_key
from superneurons.task.published.convert import write_records
from superneurons.task.published.load import load_published
from superneurons.task.read import read_records
from superneurons.task.record import Record


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    records = load_published("pope", files.pope(tmp_path / "pope"))
    assert read_records(write_records(records, tmp_path / "new/records.jsonl")) == records
    beside = write_records(records, tmp_path / "pope/records.jsonl")
    assert read_records(beside) == records
    assert '"val2014/COCO' in beside.read_text()


def test_options_and_several_pictures_are_kept(tmp_path: Path) -> None:
    pictures = tuple(files.picture(tmp_path / f"{i}.png") for i in range(2))
    records = [Record(pictures, "Which?", "b", ("a", "b"), id="x:1"), Record(pictures[:1], "No?")]
    path = write_records(records, tmp_path / "r.jsonl")
    assert read_records(path, require_labels=False) == [
        records[0],
        replace(records[1], id="r.jsonl:2"),
    ]


def test_opened_pictures_become_files_each_once(tmp_path: Path) -> None:
    records = load_published("naturalbench", files.naturalbench(tmp_path / "nb"))
    path = write_records(records, tmp_path / "records.jsonl")
    again = read_records(path)
    assert sorted(p.name for p in (tmp_path / "records").iterdir()) == ["000000.png", "000001.png"]
    assert [r.question for r in again] == [r.question for r in records]
    for one, other in zip(records, again, strict=True):
        with Image.open(str(other.images[0])) as image:
            assert image_key(one.images[0]) == image_key(image)


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    record = Record((files.picture(tmp_path / "a.png"),), "Is it?", "yes")
    path = write_records([record], tmp_path / "r.jsonl")
    with pytest.raises(OutputError, match="there already"):
        write_records([record, record], path)
    write_records([record, record], path, overwrite=True)
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(DataError, match="JSON Lines"):
        write_records([record], tmp_path / "r.csv")


def test_it_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    class Broken(list[Record]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield Record((tmp_path / "a.png",), "Is it?", "yes")
            raise OSError("gone")

    with pytest.raises(OutputError, match="cannot be written: gone"):
        write_records(Broken(), tmp_path / "r.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_records([], tmp_path / "taken/r.jsonl")


def test_lines_hold_nothing_that_is_not_there(tmp_path: Path) -> None:
    record = Record((files.picture(tmp_path / "ü.png"),), "Ist es grün?")
    path = write_records([record], tmp_path / "r.jsonl")
    assert json.loads(path.read_text()) == {"image": "ü.png", "question": "Ist es grün?"}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.none() | TEXT), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path: Path, rows: list[tuple[str, str, str, str | None]]) -> None:
    shown = (files.picture(tmp_path / "a.png"),)
    records = [Record(shown, q, label, group=group, id=own) for q, label, own, group in rows]
    assert read_records(write_records(records, tmp_path / "r.jsonl", overwrite=True)) == records
