from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import ArtefactError
from superneurons.report.kept import kept_content


def opened(path: Path) -> dict[str, object]:
    return kept_content(path, what="run", newest=2, mend="Give another.")


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": 2, "seed": 3}')
    assert opened(path) == {"format": 2, "seed": 3}
    path.write_text("[1]")
    assert opened(path) == {}


@pytest.mark.parametrize("text", [None, "", "{", '{"a": NaN}', "[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtefactError, match="There is no run in") as told:
        opened(path)
    assert told.value.where == str(path)
    assert told.value.mend == "Give another."


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": 3}')
    with pytest.raises(ArtefactError, match="has format 3; this version reads up to 2"):
        opened(path)


def test_only_numbers_are_formats_and_no_earlier_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for form in ("1", '"9"', "null"):
        path.write_text(f'{{"format": {form}, "seed": 3}}')
        assert opened(path)["seed"] == 3


def test_a_later_format_says_where_and_how_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"format": 4}')
    with pytest.raises(ArtefactError) as told:
        opened(path)
    assert (told.value.where, told.value.mend) == (str(path), "Update superneurons.")


@pytest.mark.parametrize("name", ["Infinity", "-Infinity", "NaN"])
def test_numbers_that_are_none_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(f'{{"ece": {name}}}')
    with pytest.raises(ArtefactError, match=f"{name} is no number of JSON"):
        opened(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b'{"title": "\xff"}')
    with pytest.raises(ArtefactError, match="There is no run in"):
        opened(path)


def test_half_characters_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"title": "\\ud800"}')
    assert opened(path) == {"title": "?"}
