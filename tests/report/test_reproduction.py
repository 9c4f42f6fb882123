from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reproductions import made_up
from superneurons.errors import ArtefactError, OutputError
from superneurons.report.reproduction import (
    REPRODUCTION_FILE,
    check_place,
    read_reproduction,
    write_reproduction,
)


def changed(directory: Path, **values: Any) -> Path:
    """What was kept, with other values at some dotted places."""
    path = write_reproduction(directory, made_up())
    content = json.loads(path.read_text())
    for place, value in values.items():
        *folders, name = [int(p) if p.isdigit() else p for p in place.split("__")]
        inner = content
        for folder in folders:
            inner = inner[folder]
        if value is ...:
            del inner[name]
        else:
            inner[name] = value
    path.write_text(json.dumps(content))
    return path


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    path = write_reproduction(tmp_path / "new", made_up())
    assert path == tmp_path / "new" / REPRODUCTION_FILE
    assert read_reproduction(path) == read_reproduction(path.parent) == made_up()


def test_figures_are_kept_to_the_last_digit(tmp_path: Path) -> None:
    null = replace(made_up().nulls[0], best=0.1 + 0.2)
    write_reproduction(tmp_path, replace(made_up(), nulls=(null,)))
    assert read_reproduction(tmp_path).nulls[0].best == 0.1 + 0.2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": "1"}, "format: is '1', not 1"),
        ({"kind": "run"}, "kind: is 'run', not 'reproduction'"),
        ({"settings__task": 3}, "settings.task: is 3, not text"),
        ({"settings__positions": ["image_mean"]}, "settings.positions: 'image_mean' is none of"),
        ({"settings__n_probe": 2}, "settings.n_probe: 2 is not at least 8"),
        ({"settings__data": "-"}, "settings.data: standard input"),
        ({"measured__versions": []}, "measured.versions: is [], not an object"),
        ({"measured__fingerprint": ...}, "measured.fingerprint: missing"),
        ({"nulls__0__best": "high"}, "nulls[0].best: is 'high', not a finite number"),
        ({"ways__0__scored_on": "test"}, "ways[0].scored_on: is 'test'"),
        ({"ways__0__figures__f1__value": 1.5}, "ways[0].figures.f1: 1.5 in"),
        ({"ways__0__figures__f1__interval": [0.7, 0.2]}, "ways[0].figures.f1: 0.5 in (0.7, 0.2)"),
        ({"ways__0__figures__positives": 9}, "ways[0].figures.positives: 9 of 8"),
        ({"ways__2__whole__accuracy__value": -1}, "ways[2].whole.accuracy: -1.0 in"),
        ({"ways__2__neurons": -1}, "ways[2].neurons: -1 is below 0"),
        ({"ways__1__key": "text-only"}, "ways[1].key: 'text-only' is there twice"),
        ({"ways__2__printed__method": "guess"}, "ways[2].printed.method: is 'guess'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ArtefactError, match="not a reproduction") as refused:
        read_reproduction(changed(tmp_path, **values))
    assert str(refused.value.problems[0]).startswith(said)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, ways__0__key=1, nulls__0__neurons=None, settings__seed="a")
    with pytest.raises(ArtefactError) as refused:
        read_reproduction(path)
    places = {problem.where for problem in refused.value.problems}
    assert places == {"ways[0].key", "nulls[0].neurons", "settings.seed"}


def test_a_later_format_asks_for_an_update(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="format 2") as refused:
        read_reproduction(changed(tmp_path, format=2))
    assert "Update superneurons" in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": NaN}', "null"])
def test_no_reproduction_at_all_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / REPRODUCTION_FILE).write_text(text)
    with pytest.raises(ArtefactError):
        read_reproduction(tmp_path)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="There is no reproduction") as refused:
        read_reproduction(tmp_path / "gone")
    assert "--out" in str(refused.value)


def test_code_that_comes_with_a_model_is_never_let_run_by_a_file(tmp_path: Path) -> None:
    found = read_reproduction(changed(tmp_path, settings__trust_remote_code=True))
    assert not hasattr(found.settings, "trust_remote_code")


def test_an_earlier_one_is_not_replaced_unasked(tmp_path: Path) -> None:
    check_place(tmp_path / "new")
    write_reproduction(tmp_path, made_up())
    with pytest.raises(OutputError, match="holds a reproduction already"):
        check_place(tmp_path)
    check_place(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [REPRODUCTION_FILE]


def test_a_place_that_cannot_be_written_is_said_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        check_place(tmp_path / "file" / "inner")
