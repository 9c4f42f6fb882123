from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runner = Callable[..., Any]


def test_it_fits_and_says_what_it_found(
    run: Runner, model_path: Path, train: Path, tmp_path: Path
) -> None:
    done = run("fit", "-m", model_path, "-d", train, "-o", tmp_path / "clf", "--json")
    assert done.code == 0, done.err
    assert done.json["labels"] == ["no", "yes"]
    assert done.json["layers"] == 4
    assert done.json["probing_set"]["records"] == 24
    assert 0.5 < done.json["chance_maximum"] <= 1
    assert (tmp_path / "clf" / "config.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["clf"]  # nothing else is left


def test_it_speaks_plainly_too(run: Runner, llava_path: Path, train: Path, tmp_path: Path) -> None:
    done = run("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf")
    assert "Super Neurons of 128; the model stops after layer" in done.out
    assert "superneurons eval" in done.out


def test_a_folder_per_label_needs_the_question(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    for number in range(24):
        label = "yes" if number % 2 else "no"
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(train.parent / f"{number}.png", tmp_path / "data" / label)
    without = run("fit", "-m", llava_path, "-d", tmp_path / "data", "-o", tmp_path / "clf")
    assert without.code == 2
    done = run(
        "fit", "-m", llava_path, "-d", tmp_path / "data", "-o", tmp_path / "clf",
        "-q", "Is it bright?",
    )  # fmt: skip
    assert done.code == 0, done.err


def test_activations_can_be_kept_and_used_again(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "activations"
    words = ("fit", "-m", llava_path, "-d", train, "--activations", kept)
    run(*words, "-o", tmp_path / "a")
    times = {p.name: p.stat().st_mtime_ns for p in kept.iterdir()}
    assert run(*words, "-o", tmp_path / "b", "--metric", "f1").code == 0
    assert {p.name: p.stat().st_mtime_ns for p in kept.iterdir()} == times


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no records|empty"),
        ('{"image": "0.png", "question": "Q?", "label": "yes"}\n{"image": 3}', "records.jsonl:2"),
        ('{"image": "0.png", "question": "Q?", "label": "yes"}\n' * 3, "label"),
        ('{"image": "x.png", "question": "Q?", "label": "yes"}', "x.png"),
        ('{"image": "0.png", "question": "Q?", "label": "a", "options": ["b", "c"]}', "options"),
        ("{not json", "records.jsonl:1"),
    ],
)
def test_bad_data_is_refused_before_the_model_opens(
    run: Runner, train: Path, tmp_path: Path, rows: str, message: str
) -> None:
    import re

    shutil.copy(train.parent / "0.png", tmp_path)
    (tmp_path / "records.jsonl").write_text(rows)
    done = run("fit", "-m", "demo", "-d", tmp_path / "records.jsonl", "-o", tmp_path / "clf")
    assert done.code == 2
    assert re.search(message, done.err), done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "clf").exists()


def test_an_existing_directory_is_not_replaced_unasked(
    run: Runner, llava_path: Path, train: Path, clf: Path
) -> None:
    words = ("fit", "-m", llava_path, "-d", train, "-o", clf)
    refused = run(*words)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert run(*words, "--overwrite").code == 0


@pytest.mark.parametrize(
    "words",
    [("--read-out", "oracle"), ("--metric", "luck"), ("--prompt-order", "sideways"),
     ("--max-layer", "99"), ("--dtype", "int1"), ("--device", "abacus")],
)  # fmt: skip
def test_bad_options_are_named(
    run: Runner, llava_path: Path, train: Path, tmp_path: Path, words: tuple[str, str]
) -> None:
    done = run("fit", "-m", llava_path, "-d", train, "-o", tmp_path / "clf", *words)
    assert done.code == 2
    assert words[1] in done.err


@pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL")
def test_a_killed_fit_goes_on_and_ends_with_the_same_bytes(
    llava_path: Path, train: Path, tmp_path: Path
) -> None:
    def command(out: Path) -> list[str]:
        words = ("fit", "-m", llava_path, "-d", train, "-o", out, "--batch-size", 1)
        return [sys.executable, "-m", "superneurons", *map(str, words)]

    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    kept = tmp_path / ".cut.activations"
    for shards in (1, 2):  # 24 records in shards of 8
        process = subprocess.Popen(
            command(tmp_path / "cut"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while len(list(kept.glob("shard-*.safetensors"))) < shards:
            assert time.monotonic() < deadline, "no shard was written"
            if process.poll() is not None:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not (tmp_path / "cut").exists():
        subprocess.run(command(tmp_path / "cut"), check=True, capture_output=True)
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "cut" / file.name).read_bytes() == file.read_bytes()
    assert not kept.exists()
