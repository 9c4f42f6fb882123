from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from superneurons.cli.engine import actors_of
from superneurons.scale.ray_data import Actors

Runner = Callable[..., Any]


def rows(out: Path) -> list[dict[str, Any]]:
    parts = sorted(out.glob("block-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def test_answers_in_files_are_those_that_are_printed(
    run: Runner, clf: Path, test_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers"
    asked = ("predict", clf, "-d", test_file, "--batch-size", 4, "--device", "cpu")
    printed = run(*asked).lines
    done = run(*asked, "--out", out, "--block-rows", 4)
    assert done.code == 0, done.err
    assert "12 rows answered into" in done.out
    assert [row["id"] for row in rows(out)] == [line["id"] for line in printed]
    assert [row["label"] for row in rows(out)] == [line["label"] for line in printed]
    (out / "block-00001.parquet").unlink()
    again = run(*asked, "--out", out, "--block-rows", 4, "--json").json
    assert again == {"out": str(out), "blocks": 3, "kept": 2, "rows": 4, "errors": 0}
    assert [row["id"] for row in rows(out)] == [line["id"] for line in printed]


def test_bad_rows_are_counted(run: Runner, clf: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"image": "gone.png", "question": "Is it bright?"}\n{\n')
    done = run("predict", clf, "-d", tmp_path / "x.jsonl", "--out", tmp_path / "out")
    assert done.code == 0
    assert "2 could not be answered" in done.out
    assert "gone.png" in rows(tmp_path / "out")[0]["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "x.jsonl", "--engine", "ray"], "Add --out"),
        (["x.png", "--out", "OUT"], "Give --data"),
        (["--data", "-", "--out", "OUT"], "Give --data"),
        (["--data", "gone.jsonl", "--out", "OUT"], "no such file"),
        (["CLF", "--data", "x.jsonl", "--out", "OUT"], "one classifier"),
        (["--data", "x.jsonl", "--out", "OUT", "--engine", "ray", "--device", "cpu",
          "--gpus-per-actor", "2"], "Each actor has 2 GPUs, but"),
    ],
)  # fmt: skip
def test_what_is_not_done_in_blocks_is_refused(
    run: Runner, clf: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    places = {"OUT": str(tmp_path / "out"), "CLF": str(clf)}
    done = run("predict", clf, *(places.get(word, word) for word in words))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_a_gpu_for_each_actor_unless_there_is_none() -> None:
    assert actors_of("local", 3, None, None, "auto") is None
    assert actors_of("ray", 3, None, None, "auto") == Actors(n=3, gpus=1.0)
    assert actors_of("ray", 3, None, None, "cpu") == Actors(n=3, gpus=0.0)
    assert actors_of("ray", 1, None, None, "cuda:0,cuda:1") == Actors(n=1, gpus=2.0)
    assert actors_of("ray", 1, None, None, "cpu, cpu") == Actors(n=1, gpus=0.0)
    assert actors_of("ray", 2, 0.5, "auto", "cuda") == Actors(n=2, gpus=0.5, address="auto")


@pytest.mark.parametrize(
    "words", [("predict", "clf", "x.png"), ("probe", "-d", "x.jsonl", "-o", "store")]
)
def test_a_misspelt_model_is_refused_where_this_machine_would_open_it(
    run: Runner, words: tuple[str, ...]
) -> None:
    done = run(*words, "--model", "demoo")
    assert done.code == 2
    assert "Did you mean 'demo'?" in done.err
    assert "demoo" not in run(*words, "--model", "demoo", "--engine", "ray").err
