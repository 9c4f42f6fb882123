"""The page of locks says what the program does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from superneurons.cli.check import DRIFTED
from superneurons.serve.drift import Drift
from superneurons.serve.jobs import Fitted
from superneurons.serve.log import LogSettings
from superneurons.shortcut.lock import Locked, LockedStage, Share
from superneurons.shortcut.reference import EDGES


@pytest.fixture(scope="module")
def page(docs: Path) -> str:
    return (docs / "lock.md").read_text(encoding="utf-8")


def test_every_field_of_a_lock_is_told(page: str) -> None:
    table = page.split("| field | what |")[1].split("\n\n", maxsplit=1)[0]
    told = set(re.findall(r"`(\w+)`", table))
    assert told == {field.name for kind in (Locked, Share) for field in fields(kind)}


def test_every_field_of_a_stage_is_told(page: str) -> None:
    table = page.split("| of a stage | what |")[1].split("\n\n", maxsplit=1)[0]
    names = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row[:30])}
    assert names == {field.name for field in fields(LockedStage)}


def test_every_histogram_of_a_service_is_told(page: str) -> None:
    table = page.split("| `of` | bins |")[1].split("\n\n", maxsplit=1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M))
    figures = Drift({"a": Fitted("a", "?", ("no", "yes"), 1, 2)}, {}).metrics()
    assert set(rows) == {figure.labels["of"] for figure in figures}
    assert all(rows[name].startswith(f"{len(edges) + 1},") for name, edges in EDGES.items())


def test_numbers_are_those_of_the_program(page: str) -> None:
    assert f"**{DRIFTED}: something drifted**" in page
    settings = LogSettings()
    assert f"at {settings.max_bytes // 10**6} MB, five are kept" in page
    assert settings.files == 5
    assert f"{settings.max_picture_bytes // 10**9} GB of\npictures" in page
