from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.vlm import verify
from superneurons.vlm.verify import Check

Runner = Callable[..., Any]


def test_it_says_what_a_model_is_and_that_it_can_be_read(run: Runner, model_path: Path) -> None:
    done = run("doctor", "--model", model_path, "--json")
    assert done.code == 0, done.err
    assert done.json["layers"] == 4
    assert done.json["neurons"] == 128
    assert "{question}" in done.json["prompt"]
    assert all(check["passed"] for check in done.json["checks"])
    memory = done.json["memory_MB_up_to_layer"]
    assert memory["1"] < memory["4"]


def test_a_failed_check_is_an_error(
    run: Runner, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "verify", lambda _: [Check("it holds", False, "it doesn't")])
    done = run("doctor", "--model", llava_path)
    assert done.code == 2
    assert "FAILED           it holds (it doesn't)" in done.out


def test_each_fact_takes_one_line(run: Runner, llava_path: Path) -> None:
    lines = run("doctor", "--model", llava_path).out.splitlines()
    memory = next(line for line in lines if line.startswith("memory"))
    assert " MB up to layer 1, " in memory
    prompt = next(line for line in lines if line.startswith("prompt"))
    assert "{question}" in prompt
