"""The benchmark of LoRA, at a size where it proves nothing but still has to be right."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import lora_rival

from superneurons.errors import ModelError

TINY = (
    "--tasks", "dark", "--sizes", "8", "16", "--test", "12", "--rates", "1e-2", "--rank", "2",
    "--steps", "3", "--repeats", "1", "--device", "cpu",
)  # fmt: skip


def test_json_and_markdown_are_written_after_each_seed(
    llava_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out, seen = tmp_path / "found.json", []
    run = lora_rival.run

    def watched(*given: Any) -> Any:
        seen.append(json.loads(out.read_text())["done"] if out.exists() else [])
        return run(*given)

    monkeypatch.setattr(lora_rival, "run", watched)
    lora_rival.main([*TINY, "--seeds", "0", "1", "--model", str(llava_path), "--out", str(out)])
    assert [len(done) for done in seen] == [0, 1]
    kept = json.loads(out.read_text())
    assert [(one["task"], one["seed"]) for one in kept["done"]] == [("dark", 0), ("dark", 1)]
    assert kept["about"]["device"] == "cpu"
    markdown = out.with_suffix(".md").read_text()
    assert markdown == lora_rival.as_markdown(kept["done"]) + "\n"
    assert markdown in capsys.readouterr().out
    lines = [line.split(" | ") for line in markdown.splitlines()[2:]]
    assert [line[1:3] for line in lines] == [["8", "2"], ["16", "2"]]
    rows = [{row["name"]: row for row in one["sizes"][1]["rows"]} for one in kept["done"]]
    ours = statistics.mean(100 * of[lora_rival.OURS]["scores"]["balanced_accuracy"] for of in rows)
    assert f"{ours:.1f}" == lines[1][1 + lora_rival.COLUMNS.index("improved") - 1]


def test_a_task_that_is_refused_does_not_end_the_run(
    llava_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "found.json"

    def refusing(_vlm: Any, task: str, *_: Any) -> Any:
        if task == "dark":
            raise ModelError("The label words can't be told apart.")
        return {"task": task, "seed": 0, "sizes": []}

    monkeypatch.setattr(lora_rival, "run", refusing)
    words = [*TINY, "--model", str(llava_path), "--out", str(out)]
    words[1:2] = ["dark", "counting"]
    lora_rival.main(words)
    kept = json.loads(out.read_text())
    assert [one["task"] for one in kept["done"]] == ["counting"]
    assert kept["refused"][0]["why"] == "The label words can't be told apart."
    assert "can't be told apart" in capsys.readouterr().err


def test_what_is_not_known_is_a_dash() -> None:
    assert lora_rival.shown([1.0, 2.0]) == "1.5"
    assert lora_rival.shown([1.0, None]) == "–"
