"""The benchmarks, at a size where they prove nothing but still have to be right."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import layer_by_layer
import read_outs

from superneurons.probes.super_neurons import SuperNeurons
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


def part(n, seed, *, informative, layers=3, width=20, classes=2):
    """Pairs of records; one layer knows the answer, the others are noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(size=(n, layers, width))
    shifts = np.random.default_rng(7).normal(size=(classes, width))
    X[:, informative] += shifts[y]
    return layer_by_layer.Part(X.astype(np.float16), y.astype(str), np.arange(n) // 2)


def test_some_labels_are_the_first_whole_groups() -> None:
    groups = np.array([3, 1, 3, 2, 2, 2, 1, 0])
    some = layer_by_layer.Part(np.zeros((8, 1, 1), np.float16), np.arange(8), groups)
    taken = {n: some.rows(n).tolist() for n in range(1, 9)}
    assert taken[1] == [7]
    assert taken[2] == [0, 2]
    assert taken[4] == [0, 1, 2, 6]
    assert taken[5] == [0, 1, 2, 6, 7]
    assert taken[8] == list(range(8))


@pytest.mark.parametrize("classes", [2, 3])
def test_each_layer_is_read_alone_and_scored_on_the_test_records(classes) -> None:
    train, test = (part(180, seed, informative=1, classes=classes) for seed in (0, 1))
    rows = train.rows(120)
    found = [layer_by_layer.compared(train, test, rows, layer, 0) for layer in (0, 1, 2, None)]
    for name in ("super-neurons", "logistic"):
        assert [line[name] > 0.85 for line in found] == [False, True, False, True]
    answers = (
        SuperNeurons(max_neurons=layer_by_layer.MAX_NEURONS)
        .fit(train.activations[rows, 1], train.labels[rows], train.groups[rows])
        .predict(test.activations[:, 1])
    )
    expected = balanced_accuracy_score(test.labels, answers)
    assert found[1]["super-neurons"] == pytest.approx(expected)
    for line in found:
        difference = line["super-neurons"] - line["logistic"]
        assert line["difference"] == pytest.approx(difference)
        low, high = line["interval"]
        assert low <= difference <= high
    # All layers together: the probe still reads one, Super Neurons as many as they like.
    assert found[3]["logistic neurons"] == 20
    assert 1 <= found[3]["super-neurons neurons"] <= 60


def test_layers_are_summed_up_with_their_worst() -> None:
    intervals = [(-0.2, -0.05), (-0.03, 0.01), (-0.1, 0.1), (0.01, 0.05)]
    lines = [
        {"difference": difference, "interval": interval}
        for difference, interval in zip([-0.1, -0.01, 0.0, 0.03], intervals, strict=True)
    ]
    found = layer_by_layer.over_layers(lines)
    assert found["layers"] == 4
    assert found["worst"] == -0.1
    assert found["median"] == pytest.approx(-0.005)
    assert found["mean"] == pytest.approx(-0.02)
    assert found["close"] == 0.75
    assert (found["significantly worse"], found["significantly better"]) == (1, 1)
    assert layer_by_layer.cells(found) == ["4", "-0.5", "-2.0", "-10.0", "75 %"]
    assert layer_by_layer.cells(layer_by_layer.over_layers([]))[0] == "0"
    assert [layer_by_layer.points(share) for share in (-1e-9, 0.1, -0.1)] == [
        "+0.0",
        "+10.0",
        "-10.0",
    ]


def test_layer_by_layer_walks_from_task_to_markdown(llava_path, tmp_path, capsys) -> None:
    out = tmp_path / "made" / "found.json"
    numbers = ["--probe=24", "--test=12", "--labels", "12", "24", "--layers", "2", "--device=cpu"]
    layer_by_layer.main(["dark", "choice", *numbers, f"--model={llava_path}", f"--out={out}"])
    header, ruler, *rows = capsys.readouterr().out.splitlines()
    assert {line.count("|") for line in (header, ruler, *rows)} == {header.count("|")}
    expected = [[task, n] for task in ("dark", "choice") for n in ("12", "24")]
    assert [[cell.strip() for cell in row.split("|")[1:3]] for row in rows] == expected
    found = json.loads(out.read_text())
    assert [found[task]["chance"] for task in ("dark", "choice")] == [0.5, 0.25]
    of_24 = found["choice"]["by labels"]["24"]
    assert list(of_24["by layer"]) == ["2"]
    # With one layer, all layers together are that layer.
    ignored = dict.fromkeys(("super-neurons seconds", "logistic seconds"), 0)
    assert {**of_24["by layer"]["2"], **ignored} == {**of_24["all together"], **ignored}
