from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import published_files as files
from superneurons.errors import DataError
from superneurons.task.published.source import Source, near_task, parse_source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pope:/data/pope", Source("pope", Path("/data/pope"))),
        ("pope:/data/pope@popular", Source("pope", Path("/data/pope"), "popular")),
        ("pope:d@random?skip-bad", Source("pope", Path("d"), "random", skip_bad=True)),
        ("pope:d?skip-bad", Source("pope", Path("d"), skip_bad=True)),
        ("pope:d@probe?n=100&seed=3", Source("pope", Path("d"), "probe", n=100, seed=3)),
        ("pope:/a@b/c", Source("pope", Path("/a@b/c"))),
        ("pope:/a@b/c@random", Source("pope", Path("/a@b/c"), "random")),
        ("instaorder-depth:.", Source("instaorder-depth", Path())),
    ],
)
def test_a_word_names_task_place_and_split(text: str, expected: Source) -> None:
    assert parse_source(text) == expected


@pytest.mark.parametrize(
    "text", ["records.jsonl", "a:b", "C:\\data", "https://x.org/a.jsonl", "pope:", "-", ""]
)
def test_other_words_are_none(text: str) -> None:
    assert parse_source(text) is None


def test_a_path_that_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pope:x").mkdir()
    assert parse_source("pope:x") is None
    Path("data@home").mkdir()
    assert parse_source("pope:data@home") == Source("pope", Path("data@home"))


@pytest.mark.parametrize("option", ["skipbad", "skip-bad=yes", "n", "n=1", "n=x", "seed=-1"])
def test_options_that_are_not_known_are_refused(option: str) -> None:
    with pytest.raises(DataError, match=r"pope:d\?"):
        parse_source(f"pope:d?{option}")


@given(st.text(max_size=40) | st.text("@?&=/n", max_size=20).map("pope:".__add__))
def test_any_text_is_a_source_or_not(text: str) -> None:
    try:
        found = parse_source(text)
    except DataError:
        assert "?" in text
    else:
        assert found is None or text.startswith(f"{found.name}:")


def test_the_nearest_task_is_named() -> None:
    assert near_task("vizwis:/data") == "vizwiz"
    assert near_task("file:///data/zzzz") is None
    assert near_task("data.jsonl") is None


def test_probe_and_test_stand_for_the_papers_splits(tmp_path: Path) -> None:
    files.clevr(tmp_path)
    assert len(Source("clevr", tmp_path, "test").read()) == 3
    assert len(Source("clevr", tmp_path).read()) == 3
    assert len(Source("clevr", tmp_path, "val", n=2).read()) == 2
    with pytest.raises(DataError, match="train"):
        Source("clevr", tmp_path, "probe").read()


def test_a_split_that_is_called_test_is_meant(tmp_path: Path) -> None:
    assert len(Source("vlguard", files.vlguard(tmp_path), "test").read()) == 3


def test_it_is_said_as_it_was_given() -> None:
    assert str(Source("pope", Path("d"), "random")) == "pope:d@random"
    assert str(Source("pope", Path("d"))) == "pope:d"
