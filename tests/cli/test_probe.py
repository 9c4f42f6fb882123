from __future__ import annotations

import json
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


def same(one: Path, other: Path) -> None:
    for name in ("config.json", "classifier.safetensors", "README.md"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


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
        "--read-out", "paper", "--aggregation", "mean", "--classifier", tmp_path / "clf",
    ]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False,
        env=os.environ | {"MASTER_ADDR": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"activations"') == 1  # one of the ranks speaks
    assert {p.name for p in (tmp_path / "store").glob("part-*")} == {"part-00000", "part-00001"}
    found = json.loads(done.stdout)
    assert found.pop("fitted")["classifier"] == str(tmp_path / "clf")
    assert found | {"activations": str(tmp_path / "alone")} == alone
    assert alone["shards"] == 2
    fitted = run(
        "fit", *given, "--activations", tmp_path / "store", "--out", tmp_path / "by_fit",
        "--read-out", "paper", "--aggregation", "mean", "--no-report",
    )  # fmt: skip
    assert fitted.code == 0, fitted.err
    same(tmp_path / "clf", tmp_path / "by_fit")


@pytest.mark.parametrize(
    "read_out", [["--read-out", "paper", "--metric", "f1"], ["--read-out", "super-neurons"]]
)
def test_a_classifier_is_saved_as_fit_saves_it(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, read_out: list[str]
) -> None:
    given = [*options(llava_path, train), *read_out]
    once = [*given, "--out", tmp_path / "store", "--classifier", tmp_path / "clf"]
    done = run("probe", *once)
    assert done.code == 0, done.err
    assert f"Saved to {tmp_path / 'clf'}" in done.out
    assert ("On the held-out part" in done.out) == ("paper" in read_out)
    assert "superneurons fit" not in done.out
    fitted = run("fit", *given, "--out", tmp_path / "by_fit", "--no-report", "--json")
    assert fitted.code == 0, fitted.err
    same(tmp_path / "clf", tmp_path / "by_fit")
    again = run("probe", *once)
    assert again.code == 2
    assert "exists already" in again.err
    told = run("probe", *once, "--overwrite", "--json").json["fitted"]
    assert told["learnt"] == fitted.json["learnt"]
    assert told["exit_layer"] == fitted.json["exit_layer"]


def test_all_options_of_the_rule_reach_it(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    words = [
        "probe", *options(llava_path, train), "--out", tmp_path / "store", "--json",
        "--read-out", "paper", "--classifier", tmp_path / "clf", "--aggregation", "mean",
        "--max-margin", 0.2, "--margin-step", 0.04, "--selection-size", 0.4, "--seed", 3,
    ]  # fmt: skip
    assert run(*words).json["fitted"]["learnt"]["parameters"] == {
        "aggregation": "mean", "margin_step": 0.04, "max_margin": 0.2, "metric": "accuracy",
        "random_state": 3, "selection_size": 0.4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "f1", "--max-margin", "0.1"], "--max-margin: 0.1"),
        (["--read-out", "paper", "--selection-size", "0.1"], "Add --classifier"),
        (["--read-out", "paper", "--classifier", "CLF", "--max-margin", "7"], "in (0, 1)"),
        (["--engine", "ray", "--gpus-per-actor", "2"], "but is to open its model on 'cpu'"),
    ],
)
def test_options_that_do_nothing_are_refused_before_anything_is_captured(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    given = [str(tmp_path / "clf") if word == "CLF" else word for word in words]
    done = run("probe", *options(llava_path, train), "--out", tmp_path / "store", *given)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "store").exists()


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
