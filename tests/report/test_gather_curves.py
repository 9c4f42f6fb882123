from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pictures import bright_records, choices, murky
from superneurons.evaluate.compare import compare
from superneurons.evaluate.comparison import Comparison
from superneurons.evaluate.contest import Contest
from superneurons.evaluate.depths import compare_depths
from superneurons.evaluate.entrants import Entrants
from superneurons.evaluate.metrics import mean_recall
from superneurons.report.gather_curves import (
    compared_curves,
    doubling,
    fitted_curve,
    measured_curves,
)  # fmt: skip
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

OURS, PAPER = "Super Neurons, improved", "Super Neurons, paper's rule"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (30, (1, 2, 4, 8, 16, 30))],
)
def test_depths_double(layers: int, expected: tuple[int, ...]) -> None:
    assert doubling(layers) == expected


def fit(
    vlm: VLM, records: list[Record], **parameters: Any
) -> tuple[SuperNeuronClassifier, ProbingSet]:
    seen: list[ProbingSet] = []
    classifier = SuperNeuronClassifier(vlm, **parameters)
    classifier.fit(records, witness=lambda probing, _: seen.append(probing))
    return classifier, seen[0]


def test_a_fit_shows_the_cross_validation_that_chose_its_depth(llava: VLM) -> None:
    classifier, probing = fit(llava, murky(48))
    (curve,) = fitted_curve(classifier, probing, name=OURS)
    kept = classifier.depth_answers_
    assert kept is not None
    assert curve.layers == (1, 2, 3, 4)
    assert (curve.read_out, curve.n, curve.held_out) == (OURS, len(kept.rows), False)
    codes = (probing.y == "yes").astype(np.int64)
    assert curve.balanced_accuracy == pytest.approx(kept.scores(codes).tolist())
    for value, (low, high) in zip(curve.balanced_accuracy, curve.intervals, strict=True):
        assert 0 <= low <= value <= high <= 1
    assert any(high - low > 0.05 for low, high in curve.intervals)
    best = max(curve.balanced_accuracy)
    chosen = next(
        k for k, v in zip(curve.layers, curve.balanced_accuracy, strict=True) if v >= best - 0.01
    )
    assert classifier.exit_layer_ <= chosen


@pytest.mark.parametrize(
    "parameters",
    [{"read_out": "paper"}, {"site": "vision"}, {"position": "first_generated"}, {"max_layer": 1}],
)
def test_where_no_depth_was_chosen_there_is_none(llava: VLM, parameters: dict[str, Any]) -> None:
    classifier, probing = fit(llava, bright_records(24), **parameters)
    assert fitted_curve(classifier, probing, name=OURS) == ()


def compared(vlm: VLM, *records: list[Record], **options: Any) -> tuple[Comparison, Entrants]:
    seen: list[Entrants] = []
    options = {"repeats": 0, "shuffles": 20, "generate": False} | options
    return compare(vlm, *records, witness=seen.append, **options), seen[0]


def test_read_outs_are_fitted_again_with_few_layers(llava: VLM) -> None:
    found, entrants = compared(llava, murky(36), murky(20, seed=1))
    curves = {curve.read_out: curve for curve in compared_curves(entrants)}
    assert list(curves) == [OURS, PAPER, "SAVs, as published"]
    rows = {row.name: row for row in found.rows}
    for curve in curves.values():
        assert (curve.layers, curve.n, curve.held_out) == ((1, 2, 4), 20, True)
        assert len(curve.intervals) == 3
    for name, whole in ((OURS, f"{OURS}, all layers"), (PAPER, PAPER)):
        scores = rows[whole].scores
        assert scores is not None
        assert curves[name].balanced_accuracy[-1] == scores.balanced_accuracy
        assert curves[name].intervals[-1] == scores.balanced_accuracy_interval
    alone = SuperNeuronClassifier(llava, read_out="paper", max_layer=2).fit(murky(36))
    truth = [record.label for record in murky(20, seed=1)]
    expected = mean_recall(truth, alone.predict(murky(20, seed=1)))
    assert curves[PAPER].balanced_accuracy[1] == pytest.approx(expected)


def test_parts_are_crossed_there_too(llava: VLM) -> None:
    _, entrants = compared(llava, murky(40), folds=4, read_outs=["super-neurons"])
    (curve,) = compared_curves(entrants)
    assert curve.n == 40
    contest = entrants.contest
    answers = contest.up_to(entrants.fits[0].entry, 4)  # no other read-out was fitted with all
    truth = [record.label for record in contest.test]
    assert curve.balanced_accuracy[-1] == pytest.approx(mean_recall(truth, answers.labels))


def test_what_is_known_is_not_fitted_again(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    _, entrants = compared(llava, bright_records(24), bright_records(8, seed=1))
    again: list[tuple[str, int]] = []
    up_to = Contest.up_to

    def listening(contest: Contest, entry: Any, layer: int) -> Any:
        again.append((entry.key, layer))
        return up_to(contest, entry, layer)

    monkeypatch.setattr(Contest, "up_to", listening)
    compared_curves(entrants)
    assert again == [(key, k) for key in ("super-neurons", "paper", "savs") for k in (1, 2)]


@pytest.mark.parametrize("read_outs", [["vision"], ["paper-generated"]])
def test_read_outs_without_exits_have_no_curve(llava: VLM, read_outs: list[str]) -> None:
    _, entrants = compared(
        llava, bright_records(24), bright_records(8, seed=1), read_outs=read_outs
    )
    assert compared_curves(entrants) == ()


def test_options_of_each_records_own_are_scored_by_place(llava: VLM) -> None:
    _, entrants = compared(
        llava, choices(36), choices(18, seed=1), read_outs=["super-neurons", "paper"]
    )
    assert [(curve.read_out, curve.n) for curve in compared_curves(entrants)] == [
        (OURS, 18), (PAPER, 18),
    ]  # fmt: skip


def test_a_comparison_of_depths_has_measured_them_already(llava: VLM) -> None:
    seen: list[Any] = []
    found, _ = compare_depths(
        llava, murky(36), murky(16, seed=1), read_outs=("paper", "super-neurons"), depths=(1, 2),
        generate=False, repeats=1, witness=lambda *what: seen.append(what),
    )  # fmt: skip
    curves = measured_curves(found, seen[0][1])
    assert [curve.read_out for curve in curves] == [PAPER, OURS]
    rows = {row.name: row.scores for row in found.rows}
    for curve in curves:
        name = curve.read_out
        assert (curve.layers, curve.n, curve.held_out) == ((1, 2, 4), 16, True)
        expected = [rows[f"{name}, layers ≤ 1"], rows[f"{name}, layers ≤ 2"], rows[name]]
        assert [v.balanced_accuracy for v in expected if v] == list(curve.balanced_accuracy)
        assert [v.balanced_accuracy_interval for v in expected if v] == list(curve.intervals)
