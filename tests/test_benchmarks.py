"""The benchmarks, at a size where they prove nothing but still have to be right."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import read_outs

from superneurons.probes.thresholds import best_cuts

TINY = ["--samples=60", "--neurons=300", "--fit-samples=40", "--fit-neurons=50", "--rounds=1"]
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def made(tmp_path):
    return read_outs.write_activations(tmp_path / "x.npy", 401, 192), read_outs.labels(401)


def test_some_made_up_neurons_know_the_answer_but_not_at_zero(made) -> None:
    X, y = made
    scores, at_zero = best_cuts(X, y).scores, read_outs.plain_scores(X, y)
    informative = np.arange(192) % read_outs.INFORMATIVE_EACH == 0
    assert scores[informative].max() > scores[~informative].max() + 0.05
    assert np.abs(at_zero[~informative] - 0.5).max() < 0.1
    assert X.dtype == np.float16


def test_sorting_in_plain_torch_gives_the_same_best_scores(made) -> None:
    X, y = made
    for some in (X, np.round(X, 0)):  # with ties, few cuts are there to be made
        expected = read_outs.sorted_scores(some, y, chunk=50)
        np.testing.assert_array_equal(best_cuts(some, y).scores, expected)


def test_cuts_that_promise_too_much_are_found_out(made) -> None:
    X, y = made
    cuts = best_cuts(X, y)
    assert read_outs.as_good_as_it_says(X, y, cuts, chunk=50)
    for wrong in (
        replace(cuts, thresholds=cuts.thresholds + 1),
        replace(cuts, polarities=-cuts.polarities),
        replace(cuts, scores=cuts.scores + 0.01),
    ):
        assert not read_outs.as_good_as_it_says(X, y, wrong)
        assert not read_outs.same(cuts, wrong)


def test_sides_are_measured_in_turns_after_a_round_to_warm_up() -> None:
    calls: list[str] = []
    sides = {name: lambda name=name: calls.append(name) or name for name in "ab"}
    seconds, results = read_outs.in_turns(sides, rounds=2)
    assert calls == list("ababab")
    assert results == {"a": "a", "b": "b"}
    assert all(0 <= taken < 1 for taken in seconds.values())


@linux_only
def test_memory_is_that_of_the_call_alone(tmp_path) -> None:
    read_outs.write_activations(tmp_path / "x.npy", 2000, 2048)
    taken = read_outs.process_memory(tmp_path / "x.npy", "best thresholds")
    # Keys and running sums of one block at least; never all neurons at once.
    assert 2000 * 512 * 4 < taken < 2000 * 512 * 60


@linux_only
def test_read_outs_prints_markdown_and_writes_json(tmp_path, capsys) -> None:
    read_outs.main([*TINY, f"--out={tmp_path / 'made' / 'found.json'}"])
    lines = json.loads((tmp_path / "made" / "found.json").read_text())["lines"]
    assert [line.get("same") for line in lines] == [True, True, None, None]
    assert all(line["seconds"] > 0 for line in lines)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("60 samples, 300 neurons, float16; CPU")
    assert [row.count("|") for row in printed[2:]] == [8] * (2 + len(lines))
    assert [row.split("|")[1].strip() for row in printed[4:]] == [line["what"] for line in lines]


def test_results_that_differ_are_a_failure(monkeypatch) -> None:
    monkeypatch.setattr(read_outs, "process_memory", lambda path, name: 0)
    monkeypatch.setattr(read_outs, "plain_scores", lambda X, y: np.zeros(X.shape[1]))
    with pytest.raises(SystemExit, match="differ"):
        read_outs.main(TINY)
