"""Run the command line in this process, as a user would type it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from superneurons.cli.app import main


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    def call(*words: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["superneurons", *map(str, words)])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Run(int(code or 0), said.out, said.err)

    return call


def write_records(directory: Path, n: int, seed: int = 0) -> Path:
    """Write made-up records as JSON Lines with PNG pictures."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, record in enumerate(bright_records(n, seed)):
        record.images[0].save(directory / f"{number}.png")  # type: ignore[union-attr]
        row = {"image": f"{number}.png", "question": record.question, "label": record.label}
        lines.append(json.dumps(row))
    path = directory / "records.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("train"), 24)


@pytest.fixture(scope="session")
def test_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("test"), 12, seed=1)


@pytest.fixture
def clf(run: Callable[..., Run], llava_path: Path, train: Path, tmp_path: Path) -> Path:
    """A classifier that the command line fitted."""
    out = tmp_path / "clf"
    assert run("fit", "--model", llava_path, "--data", train, "--out", out).code == 0
    return out
