from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from superneurons.cli.studies import (
    asked,
    begin,
    finish,
    halves,
    named,
    numbers,
    wordings_of,
)
from superneurons.errors import DataError, OutputError
from superneurons.evaluate.robustness.sheet import Sheet
from superneurons.task.groups import group_ids


class Found:
    """A study that found little."""

    def as_dict(self) -> dict[str, Any]:
        return {"share": 0.5}

    def tables(self) -> tuple[Sheet, ...]:
        return Sheet("One", ("a",), (("1",),)), Sheet("Two", ("b",), (("2",),))


def test_a_file_alone_is_parted_in_halves(train: Path, test_file: Path) -> None:
    probe, others = halves(str(train), None, None, None, 8, 8, "seen", 0)
    assert (len(probe), len(others)) == (12, 12)
    groups = group_ids([*probe, *others])
    assert not {*groups[:12].tolist()} & {*groups[12:].tolist()}
    assert {record.label for record in others} == {"no", "yes"}
    probe, others = halves(str(train), str(test_file), None, None, 8, 8, "seen", 0)
    assert (len(probe), len(others)) == (24, 12)


def test_the_same_file_twice_is_a_leak(train: Path) -> None:
    with pytest.raises(DataError, match="share a picture"):
        halves(str(train), str(train), None, None, 8, 8, "seen", 0)


def test_wordings_given_go_before_a_task_s_own() -> None:
    own, others = wordings_of("hides", None, None)
    assert own == "{Is} {x} obstructing {y}? Answer yes or no."
    assert len(others) > 3
    assert wordings_of("hides", None, ["{x}?"]) == (own, ("{x}?",))
    assert wordings_of(None, None, ["Hm?"]) == ("{question}", ("Hm?",))
    assert wordings_of("hides", "{a} obstructing {b}", ["{b}?"])[0] == "{a} obstructing {b}"
    with pytest.raises(DataError, match="no other wording"):
        wordings_of(None, "{question}", [])


def test_files_have_the_shortest_names_that_differ() -> None:
    assert named(["a/x.jsonl", "b/y.csv"], [None, "t"]) == {
        "x": ("a/x.jsonl", None),
        "y": ("b/y.csv", "t"),
    }
    assert list(named(["a/x.jsonl", "b/x.jsonl"], [None, None])) == ["a/x.jsonl", "b/x.jsonl"]
    with pytest.raises(DataError, match="twice"):
        named(["x", "x"], [None, None])


def test_numbers_stand_between_commas() -> None:
    assert numbers("10, 20,30") == [10, 20, 30]
    for text in ("", "ten", "1.5"):
        with pytest.raises(DataError, match=f"{text!r} is no list of whole numbers"):
            numbers(text)


def test_a_directory_is_no_place_for_a_file_even_to_overwrite(tmp_path: Path) -> None:
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is a directory"):
            begin(tmp_path, overwrite)


def test_the_home_directory_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    place = Path("~/found.json")
    begin(place, overwrite=False)
    finish(Found(), "dark", place, as_json=False)
    assert "dark" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    with pytest.raises(OutputError, match="there already"):
        begin(place, overwrite=False)


def test_a_place_is_tried_before_anything_is_computed(tmp_path: Path) -> None:
    begin(None, overwrite=False)
    begin(tmp_path / "new" / "x.json", overwrite=False)
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="already"):
        begin(tmp_path / "file", overwrite=False)
    begin(tmp_path / "file", overwrite=True)
    with pytest.raises(OutputError, match="is a directory"):
        begin(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match=r"Cannot write .*file' is no directory"):
        begin(tmp_path / "file" / "x.json", overwrite=False)


def test_tables_are_printed_and_json_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(Found(), "mine", tmp_path / "x.json", as_json=False)
    assert capsys.readouterr().out == "mine\n\nOne\na\n1\n\nTwo\nb\n2\n"
    finish(Found(), "mine", None, as_json=True)
    shown = capsys.readouterr().out
    assert shown.split() == (tmp_path / "x.json").read_text().split()
    assert "mine" in shown


def test_records_are_asked_as_told() -> None:
    how = asked("question-first", None, 4)
    assert how["prompt"].order == "question-first"
    assert how["batch_size"] == 4
