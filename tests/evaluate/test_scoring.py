from __future__ import annotations

import pytest

from pictures import bright_records, coloured
from superneurons.evaluate.scoring import score_predictions, score_records
from superneurons.shortcut.prediction import Prediction


def test_right_answers_score_full() -> None:
    records = bright_records(8)
    scores = score_records(records, [str(r.label) for r in records], labels=["no", "yes"])
    assert (scores.accuracy, scores.balanced_accuracy, scores.f1) == (1, 1, 1)


def test_no_answer_is_a_wrong_answer() -> None:
    records = bright_records(8)
    scores = score_records(
        records, ["", *[str(r.label) for r in records[1:]]], labels=["no", "yes"]
    )
    assert scores.accuracy == pytest.approx(7 / 8)


def test_options_of_their_own_are_scored_by_their_place() -> None:
    records = coloured(12, options=True)  # the right one is always the first
    right = [str(record.label) for record in records]
    wrong = [(record.options or ())[1] for record in records]
    assert score_records(records, right, labels=()).accuracy == 1
    assert score_records(records, wrong, labels=()).accuracy == 0


def test_probabilities_give_a_calibration_error() -> None:
    records = bright_records(8)
    sure = [
        Prediction(str(r.label), {"no": r.label == "no", "yes": r.label == "yes"}, 1.0, 1, 0.0)
        for r in records
    ]
    scores = score_predictions(records, sure, labels=["no", "yes"])
    assert scores.ece == pytest.approx(0)
    assert scores.brier == pytest.approx(0)
