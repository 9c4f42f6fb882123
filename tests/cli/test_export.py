"""``superneurons export``, as a user would type it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superneurons.cli import export

Run = Callable[..., Any]


@pytest.fixture
def shallow(run: Run, llava_path: Path, train: Path, tmp_path: Path) -> Path:
    words = ("--model", llava_path, "--data", train, "--max-layer", 1)
    assert run("fit", *words, "--out", tmp_path / "clf").code == 0
    return tmp_path / "clf"


def test_a_checkpoint_is_written_and_said(
    run: Run, shallow: Path, test_file: Path, tmp_path: Path
) -> None:
    done = run("export", "hf", shallow, "--out", tmp_path / "out", "--data", test_file)
    assert done.code == 0, done.err
    assert "LlavaForSequenceClassification: 1 of 4 layers" in done.out
    assert "asked 12 records: the classifier's answer on 100.0%" in done.out
    assert "vLLM itself was not run" in done.out
    told = json.loads((tmp_path / "out" / "superneurons.json").read_text())
    assert told["compared"]["records"] == 12


def test_json_is_what_is_kept(run: Run, shallow: Path, train: Path, tmp_path: Path) -> None:
    words = ("--as", "linear", "--data", train, "--json")
    done = run("export", "hf", shallow, "--out", tmp_path / "out", *words)
    assert done.code == 0, done.err
    assert done.json == json.loads((tmp_path / "out" / "superneurons.json").read_text())
    assert done.json["refitted"]["fitted_on"] + done.json["refitted"]["held_out"] == 24


def test_a_taken_place_is_said_before_anything_runs(
    run: Run, shallow: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "note").write_text("")
    for kind in ("hf", "onnx"):
        done = run("export", kind, shallow, "--out", tmp_path / "out", "--overwrite")
        assert done.code == 2
        assert "holds something other than an export" in done.err


def test_what_is_no_classifier_is_said(run: Run, tmp_path: Path) -> None:
    for kind in ("hf", "onnx"):
        done = run("export", kind, tmp_path / "nothing", "--out", tmp_path / "out")
        assert done.code == 2
        assert "There is no classifier" in done.err


def test_eight_bits_without_records_are_refused(run: Run, shallow: Path, tmp_path: Path) -> None:
    done = run("export", "onnx", shallow, "--out", tmp_path / "out", "--int8")
    assert done.code == 2
    assert "Give records (--data)" in done.err
    assert not (tmp_path / "out").exists()


def test_what_was_measured_of_a_graph_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told: dict[str, Any] = {
        "base_model": {"name": "some/model", "layers": 30},
        "exit_layer": 2,
        "labels": ["no", "yes"],
        "graph": {"file": "classifier.onnx", "opset": 20, "any_batch": False, "bytes": 2_500_000},
        "latency_ms": {"onnx": 1.26, "torch": 3.44, "torch_path": "lean", "threads": 2},
        "compared": {"records": 40, "agreement": 0.975},
        "int8": {"bytes": 700_000, "ms": 0.94, "agreement": 0.5, "kept": False},
    }
    export._print_onnx(told, tmp_path)
    said = capsys.readouterr().out
    assert "opset 20, 2.5 MB, one picture at a time; 2 of 30 layers of some/model" in said
    assert "1.3 ms in ONNX Runtime, 3.4 ms in PyTorch (lean, 2 threads)" in said
    assert "asked 40 records: the classifier's answer on 97.5%" in said
    assert "8 bits: 0.7 MB, 0.9 ms, the classifier's answer on 50.0%: not kept" in said
    export._print_onnx({**told, "compared": None, "int8": None}, tmp_path)
    said = capsys.readouterr().out
    assert "Not compared with the classifier" in said
    assert "8 bits" not in said
