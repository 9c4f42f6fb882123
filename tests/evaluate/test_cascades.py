from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pictures import choices, murky
from superneurons.errors import DataError
from superneurons.evaluate.cascades import CascadeReport, cascade_report
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
