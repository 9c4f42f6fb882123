from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictures import choices, murky
from superneurons.errors import DataError
from superneurons.evaluate.cascades import CascadeReport, cascade_report
from superneurons.evaluate.intervals import wilson
from superneurons.evaluate.paired import paired_difference
from superneurons.evaluate.scoring import score_records
from superneurons.shortcut.cascade import Cascade, CascadeWarning
from superneurons.vlm.model import VLM

FEW = {"max_neurons": 3}


@pytest.fixture(scope="module")
def fitted(vlm: VLM) -> Cascade:
    return Cascade(vlm, layers=[1, 3], read_out_params=FEW).fit(murky(96))


@pytest.fixture(scope="module")
def report(fitted: Cascade) -> CascadeReport:
    return cascade_report(fitted)


def test_it_says_of_each_stage_what_it_answers(report: CascadeReport, fitted: Cascade) -> None:
    assert [row.layer for row in report.stages] == [1, 3, 4]
    assert [row.name for row in report.stages] == ["layer 1", "layer 3", "base model, calibrated"]
    assert sum(row.share for row in report.stages) == pytest.approx(1)
    left = 1.0
    for row, stage in zip(report.stages, fitted.stages_, strict=True):
        left -= row.share
        assert row.goes_on == pytest.approx(left)
        assert row.threshold == (stage.threshold if stage.threshold < np.inf else None)
        assert (row.right is None) == (row.share == 0)
        if row.right is not None and row.right_interval is not None:
            assert row.right_interval[0] <= row.right <= row.right_interval[1]
    answered = [(row.share, row.right or 0) for row in report.stages]
    assert report.scores.accuracy == pytest.approx(sum(a * b for a, b in answered))


def test_it_counts_what_the_cascade_itself_answers(report: CascadeReport, fitted: Cascade) -> None:
    records = list(fitted.fitted_.outcome.records)
    assert len(records) == report.sizes["verified_on"] == report.scores.n
    assert fitted.score(records) == pytest.approx(report.scores.accuracy)
    depths = [answer.exit_layer for answer in fitted.answers(records)]
    assert np.mean(depths) == pytest.approx(report.cost)
    assert report.relative_cost == pytest.approx(np.mean(depths) / 4)
    assert (report.unit, report.whole) == ("layers", 4)


def test_each_stage_alone_is_what_it_would_be_without_thresholds(
    report: CascadeReport, fitted: Cascade
) -> None:
    outcome = fitted.fitted_.outcome
    for number, row in enumerate(report.stages):
        assert row.alone.accuracy == pytest.approx(outcome.right[:, number].mean())
        assert row.alone.n == report.scores.n


def test_an_unspoken_target_is_that_of_the_end(report: CascadeReport, fitted: Cascade) -> None:
    assert not report.given
    end = fitted.fitted_.end
    assert end in (1, 2)
    assert report.wanted == pytest.approx(report.stages[end].alone.accuracy)
    assert report.against_end.difference == pytest.approx(report.scores.accuracy - report.wanted)
    assert report.held == (report.against_end.difference >= -1e-9)


def test_a_target_that_is_not_met_is_reported_with_the_best_reached(vlm: VLM) -> None:
    cascade = Cascade(vlm, layers=[1], target_accuracy=0.999, costs=[2.0, 5.0])
    with pytest.warns(CascadeWarning):
        cascade.fit(murky(60))
    found = cascade_report(cascade)
    assert (found.given, found.met, found.target) == (True, False, 0.999)
    assert found.reached < 0.999
    assert found.wanted == 0.999
    assert not found.held
    assert (found.unit, found.whole) == ("given", 5.0)


def test_options_of_each_record_are_scored_by_place(llava: VLM) -> None:
    cascade = Cascade(llava, layers=[2], base_answer=False).fit(choices(72))
    found = cascade_report(cascade)
    assert len(found.stages) == 1
    assert found.scores.accuracy == found.stages[0].alone.accuracy
    assert found.against_end.difference == 0


def test_it_becomes_json(report: CascadeReport) -> None:
    raw = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert raw["relative_cost"] == pytest.approx(report.relative_cost)
    assert [row["layer"] for row in raw["stages"]] == [1, 3, 4]
    assert raw["stages"][0]["alone"]["accuracy"] == report.stages[0].alone.accuracy
    assert set(raw["against_end"]) == {"difference", "interval", "p_value"}


def test_a_loaded_cascade_has_no_records_to_report_on(fitted: Cascade, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path / "cascade")
    loaded = Cascade.from_pretrained(tmp_path / "cascade", fitted.vlm)
    with pytest.raises(DataError, match="not fitted here"):
        cascade_report(loaded)


def test_intervals_are_drawn_by_the_seed_over_the_records_that_verify(fitted: Cascade) -> None:
    found = cascade_report(fitted, seed=7)
    outcome, stops = fitted.fitted_.outcome, fitted.fitted_.stops
    records = list(outcome.records)
    labels = fitted.classes_.tolist()
    given = [outcome.labels[stage][row] for row, stage in enumerate(stops.tolist())]
    assert found.scores == score_records(records, given, labels=labels, seed=7)
    for number, row in enumerate(found.stages):
        assert row.alone == score_records(records, outcome.labels[number], labels=labels, seed=7)
        own = [i for i, stage in enumerate(stops.tolist()) if stage == number]
        if not own:
            continue
        right = [outcome.labels[number][i] == records[i].label for i in own]
        assert row.right == pytest.approx(np.mean(right))
        assert row.right_interval == wilson(sum(right), len(right))
        assert row.share == len(own) / len(records)
    assert found.against_end == paired_difference(
        [str(record.label) for record in records], given, outcome.labels[fitted.fitted_.end],
        classes=labels, rate="accuracy", seed=7,
    )  # fmt: skip
    assert cascade_report(fitted) == cascade_report(fitted, seed=0)


def test_with_a_target_of_its_own_it_is_beside_the_better_of_its_two_ends(llava: VLM) -> None:
    """Neither a shallow stage nor the worse end is what going to the end means."""
    cascade = Cascade(llava, layers=[1, 3], target_accuracy=0.5, caution=0).fit(murky(96))
    found, fitted = cascade_report(cascade), cascade.fitted_
    assert (found.given, found.target, fitted.end) == (True, 0.5, None)
    alone = [row.alone.accuracy for row in found.stages]
    assert len(set(alone[1:])) == 2, "else both ends would do"
    assert found.against_end.difference == pytest.approx(found.scores.accuracy - max(alone[1:]))


def test_the_deepest_stage_is_the_end_where_the_base_model_is_not_asked(llava: VLM) -> None:
    cascade = Cascade(
        llava, layers=[1, 3], base_answer=False, target_accuracy=0.5, caution=0
    ).fit(murky(96))  # fmt: skip
    found = cascade_report(cascade)
    alone = [row.alone.accuracy for row in found.stages]
    assert len(alone) == 2
    assert found.against_end.difference == pytest.approx(found.scores.accuracy - alone[1])
    assert [row.name for row in found.stages] == ["layer 1", "layer 3"]
    assert found.whole == 3


def test_costs_are_means_over_the_records_that_verify(report: CascadeReport) -> None:
    costs = [row.cost for row in report.stages]
    assert costs == [1, 3, 4]
    shares = [row.share for row in report.stages]
    assert report.cost == pytest.approx(np.dot(costs, shares))
    assert report.relative_cost == pytest.approx(report.cost / 4)
    free = replace(report, cost=0.0, whole=0.0)
    assert free.relative_cost == 1, "what costs nothing at all saves nothing"
    assert report.stages[-1].goes_on == 0
    assert report.sizes == {"fitted_on": 32, "chosen_on": 24, "verified_on": 24}
