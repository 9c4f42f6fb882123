from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.table import Table

from superneurons.cli.output import print_json, print_whole, quiet, step
from superneurons.task.notices import DataNotice, notice_of


def test_json_keeps_other_scripts_readable(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"label": "grün"}, indent=None)
    said = capsys.readouterr().out
    assert said == '{"label": "grün"}\n'
    assert json.loads(said) == {"label": "grün"}


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with step("counting") as told:
        told(3, 3)
    said = capsys.readouterr()
    assert said.out == ""
    assert "counting" in said.err
    assert "3/3" in said.err


def test_warnings_take_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    quiet()
    warnings.showwarning("mind the gap", UserWarning, "file.py", 1)
    assert capsys.readouterr().err == "superneurons: warning: mind the gap\n"


def test_the_same_warning_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    quiet()
    for text in ("mind the gap", "mind the gap", "stand back"):
        warnings.showwarning(text, UserWarning, "file.py", 1)
    assert capsys.readouterr().err.count("warning: ") == 2


def test_a_notice_is_not_repeated_for_a_part_of_the_pictures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    quiet()
    clear = [(f"{name}.png", ["transparent"]) for name in "abc"]
    for found in (clear, clear[:2], clear[::-1], [*clear, ("d.png", ["transparent"])]):
        notice = notice_of(found)  # type: ignore[arg-type]
        assert notice is not None
        warnings.showwarning(notice, DataNotice, "file.py", 1)
    said = capsys.readouterr().err.splitlines()
    assert [line[: len("superneurons: note: ")] for line in said] == ["superneurons: note: "] * 2
    assert "white: 3 (" in said[0]
    assert "white: 4 (" in said[1]


@pytest.mark.filterwarnings("always::superneurons.task.notices.DataNotice")
def test_each_command_says_once_what_is_done_to_pictures(
    run: Callable[..., Any], llava_path: Path, train: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(train.parent, tmp_path / "data")) / train.name
    clf = tmp_path / "clf"
    for number in (3, 4):
        path = data.parent / f"{number}.png"
        with Image.open(path) as picture:
            picture.putalpha(254)
            picture.save(path)
    commands: list[tuple[object, ...]] = [
        ("fit", "--model", llava_path, "--data", data, "--out", clf),
        ("eval", clf, "--data", data, "--no-rivals"),
        ("predict", clf, "--data", data),
        (
            "search", "-m", llava_path, "-d", data, "--positions", "last_prompt", "--repeats", 1,
            "--orders", "picture-first", "--sites", "residual", "--max-layer", 1,
        ),
    ]  # fmt: skip
    for words in commands:
        done = run(*words)
        assert done.code == 0, done.err
        assert done.err.count("superneurons: note: ") == 1, words[0]
        assert "transparent, laid over white: 2 (3.png, 4.png)." in done.err
        assert "transparent" not in done.out


def test_a_wide_table_is_neither_folded_nor_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("a heading of several words", *["x" * 30] * 5)
    table.add_row("a name of several words", *["y" * 30] * 5)
    print_whole(table)
    said = capsys.readouterr().out
    assert "a heading of several words" in said
    assert "…" not in said
    assert len([line for line in said.splitlines() if "y" in line]) == 1
