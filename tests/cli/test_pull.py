from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_hub import FakeHub, Repo, fake_hub

NAME = "some-owner/some-classifier"


@pytest.fixture
def hub(tmp_path: Path, clf: Path) -> Iterator[FakeHub]:
    names = ("config.json", "classifier.safetensors", "README.md", "run.json")
    with fake_hub(tmp_path / "cache") as hub:
        hub.repos[NAME] = Repo()
        hub.repos[NAME].commit({name: (clf / name).read_bytes() for name in names})
        yield hub


def test_a_copy_and_what_it_says(run: Callable[..., Any], hub: FakeHub, tmp_path: Path) -> None:
    out, commit = tmp_path / "a copy", hub.repos[NAME].refs["main"]
    files = ["config.json", "classifier.safetensors", "README.md"]
    first = run("pull", NAME, "--out", out)
    assert first.code == 0
    assert first.out == (
        f"{NAME}@{commit}: {', '.join(files)} in {out}.\nNext: superneurons inspect '{out}'\n"
    )
    assert sorted(file.name for file in out.iterdir()) == sorted([*files, "ORIGIN"])

    again = run("pull", NAME, "--out", out)
    assert again.code == 2
    assert "exists already" in again.err
    third = run("pull", f"{NAME}@{commit}", "--out", out, "--overwrite", "--json")
    assert json.loads(third.out) == {
        "name": NAME,
        "commit": commit,
        "directory": str(out),
        "files": files,
    }


def test_what_cannot_be_pulled_is_said(
    run: Callable[..., Any], hub: FakeHub, tmp_path: Path
) -> None:
    out = tmp_path / "copy"
    for name, said in (
        ("some-owner/another", "hub has no repository"),
        (f"{NAME}@v9", "has no revision 'v9'"),
        ("./here", "no name of the hub"),
    ):
        ended = run("pull", name, "--out", out)
        assert ended.code == 2
        assert said in ended.err
    assert not out.exists()
