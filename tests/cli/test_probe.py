from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runner = Callable[..., Any]


def options(llava_path: Path, train: Path) -> list[Any]:
    return ["--model", llava_path, "--data", train, "--max-layer", 2, "--batch-size", 2,
            "--device", "cpu"]  # fmt: skip


def test_fit_reads_what_probe_captured(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    given = options(llava_path, train)
    done = run("probe", *given, "--out", tmp_path / "store")
    assert done.code == 0, done.err
    assert "24 questions captured at 2 layers" in done.out
    assert "Best single neuron" in done.out
    before = sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / "store").iterdir())
    fitted = run(
        "fit", *given, "--activations", tmp_path / "store", "--out", tmp_path / "clf",
        "--read-out", "paper", "--no-report", "--json",
    )  # fmt: skip
    assert fitted.code == 0, fitted.err
    after = sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / "store").iterdir())
    assert after == before
    told = run("probe", *given, "--out", tmp_path / "store", "--json").json
    best = fitted.json["learnt"]["best_score_"]
    assert told["best_neurons"][0]["accuracy"] == pytest.approx(best)
    assert told["positive"] == "yes"


def test_torchrun_s_ranks_make_one_store(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    given = options(llava_path, train)
    alone = run("probe", *given, "--out", tmp_path / "alone", "--json").json
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "superneurons", "probe", *given, "--out", tmp_path / "store", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False,
        env=os.environ | {"MASTER_ADDR": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"activations"') == 1  # one of the ranks speaks
    assert {p.name for p in (tmp_path / "store").glob("part-*")} == {"part-00000", "part-00001"}
    assert done.stdout.replace("/store", "/alone") in (
        run("probe", *given, "--out", tmp_path / "alone", "--json").out
    )
    assert alone["shards"] == 2


def test_an_other_store_is_refused(
    run: Runner, llava_path: Path, train: Path, test_file: Path, tmp_path: Path
) -> None:
    run("probe", *options(llava_path, train), "--out", tmp_path / "store")
    other = run("probe", *options(llava_path, test_file), "--out", tmp_path / "store")
    assert other.code == 2
    assert "activations of something else" in other.err


def test_what_fit_refuses_is_refused(run: Runner, llava_path: Path, tmp_path: Path) -> None:
    done = run("probe", *options(llava_path, tmp_path / "gone.jsonl"), "--out", tmp_path / "s")
    assert done.code == 2
    assert not (tmp_path / "s").exists()
