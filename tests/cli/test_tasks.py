from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Runner = Callable[..., Any]


def test_the_list_says_what_the_model_was_trained_on(run: Runner) -> None:
    tasks = {task["name"]: task for task in run("tasks", "list", "--json").json}
    assert tasks["presence"]["trained"]
    assert not tasks["bigger"]["trained"]
    assert "presence" in run("tasks", "list").out


def test_a_task_can_be_looked_at(run: Runner, tmp_path: Path) -> None:
    done = run("tasks", "make", "dark", "-n", 6, "-o", tmp_path / "dark")
    assert done.code == 0, done.err
    rows = [
        json.loads(row) for row in (tmp_path / "dark" / "records.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 6
    assert {row["label"] for row in rows} == {"no", "yes"}
    for row in rows:
        with Image.open(tmp_path / "dark" / row["image"]) as picture:
            assert picture.size == (128, 128)


def test_an_unknown_task_names_a_near_one(run: Runner, tmp_path: Path) -> None:
    done = run("tasks", "make", "presense", "-o", tmp_path / "x")
    assert done.code == 2
    assert "presence" in done.err
