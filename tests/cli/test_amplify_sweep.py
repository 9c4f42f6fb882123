from __future__ import annotations

import json
from pathlib import Path

import pytest

from superneurons.amplify.report import SweepReport
from tiny_language_models import save_llama
from tiny_sweeps import tiny_task

FAST = ("--layers", "1,3", "--counts", "2,6", "--multipliers=2,-4", "--draws", 1, "--device", "cpu")


@pytest.fixture(scope="session")
def llama_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    lines = [
        json.dumps({"task": name, "field": "f", "prompt": p, "target": t, "control": c})
        for name in ("one", "two")
        for p, t, c in zip(*(getattr(tiny_task(name), f"{what}s") for what in
                             ("prompt", "target", "control")), strict=True)
    ]  # fmt: skip
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_a_sweep_is_kept_and_told_again(run, llama_path, prompts, tmp_path) -> None:
    out = tmp_path / "swept"
    first = run("amplify", "sweep", "--model", llama_path, "--prompts", prompts, "--out", out,
                *FAST, "--json")  # fmt: skip
    assert first.code == 0, first.err
    parts = sorted(path.name for path in out.iterdir())
    assert parts == ["one-001.safetensors", "one-003.safetensors", "report.json",
                     "two-001.safetensors", "two-003.safetensors"]  # fmt: skip
    setting = first.json["setting"]
    assert setting["tasks"] == ["one", "two"]
    assert (setting["layers"], setting["counts"], setting["multipliers"]) == (
        [1, 3],
        [2, 6],
        [2, -4],
    )

    made = SweepReport.load(out)
    assert run("amplify", "report", out, "--json").json == first.json == made.as_dict()
    assert run("amplify", "report", out, "--markdown").out == made.markdown()
    shown = run("amplify", "report", out).out
    for table in made.tables:
        assert table.title in shown
        assert table.note in shown


def test_sentences_are_a_task_of_their_own(run, llama_path, tmp_path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text("sentence\tlabel\ngood\t1\nbad\t0\nfine\t1\n")
    out = tmp_path / "swept"
    found = run("amplify", "sweep", "--model", llama_path, "--sentiment", path, "--out", out, *FAST)
    # The words are several tokens to a tokenizer of bytes: refused, prompt by prompt.
    assert found.code == 2
    assert "' positive' is 9 tokens" in found.err
    assert "' negative' is 9 tokens" in found.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tasks", "chess"), "no such tasks"),
        (("--layers", "1,b"), "--layers is '1,b'"),
        (("--counts", ""), "--counts is ''"),
        (("--layers", "99"), "99 is none of 1 to"),
        (("--multipliers", "nan"), "nan is no finite number"),
    ],
)
def test_bad_input_is_named(run, llama_path, prompts, tmp_path, words, said) -> None:
    given = ("--prompts", prompts, *words) if words[0] != "--tasks" else words
    found = run("amplify", "sweep", "--model", llama_path, *given, "--out", tmp_path / "x")
    assert found.code == 2
    assert said in found.err
    assert not (tmp_path / "x").exists()


def test_a_file_is_no_place_for_a_sweep(run, prompts, tmp_path) -> None:
    (tmp_path / "file").touch()
    words = ("--prompts", prompts, "--out", tmp_path / "file")
    done = run("amplify", "sweep", "--model", "no/where", *words)
    assert done.code == 2
    assert f"{str(tmp_path / 'file')!r} is no directory" in done.err


def test_results_of_another_sweep_are_refused(run, llama_path, prompts, tmp_path) -> None:
    sweep = (
        "amplify",
        "sweep",
        "--model",
        llama_path,
        "--prompts",
        prompts,
        "--out",
        tmp_path / "x",
    )
    assert run(*sweep, *FAST).code == 0
    found = run(*sweep, *FAST, "--seed", 1)
    assert found.code == 2
    assert "another grid" in found.err


def test_there_is_nothing_to_report_without_a_sweep(run, tmp_path) -> None:
    found = run("amplify", "report", tmp_path)
    assert found.code == 2
    assert "no report to read" in found.err
