from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, coloured
from superneurons.evaluate.metrics import score
from superneurons.evaluate.scoring import as_classes, score_predictions, score_records
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record


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


def asking(options: tuple[str, ...], label: str, group: str = "") -> Record:
    return replace(bright_records(1)[0], options=options, label=label, group=group or None)


def test_there_are_as_many_places_as_the_longest_list_of_options() -> None:
    records = [asking(("x", "y"), "y"), asking(("y", "z", "x"), "x")]
    truth, given_, classes = as_classes(records, ["x", "w"], ())
    assert (truth, given_, classes) == (["B", "C"], ["A", ""], ("A", "B", "C"))


def test_common_labels_stay_as_they_are() -> None:
    records = bright_records(2)
    assert as_classes(records, ["dunno", "no"], ("no", "yes")) == (
        ["no", "yes"], ["dunno", "no"], ("no", "yes")
    )  # fmt: skip


def test_answers_must_be_as_many_as_records() -> None:
    with pytest.raises(ValueError, match="shorter"):
        as_classes([asking(("x", "y"), "y")] * 2, ["x"], ())


def test_the_second_option_is_the_positive_one_of_two() -> None:
    records = [asking(("x", "y"), label) for label in "xxxy"]
    scores = score_records(records, ["x", "x", "y", "y"], labels=())
    assert scores.f1 == pytest.approx(2 / 3)  # of "the second": 1 right of 2 claims
    assert scores.recall == {"A": pytest.approx(2 / 3), "B": 1.0}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_what_options_are_called_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    records = choices(14, seed=1)
    given_ = [str(rng.choice(r.options or ())) for r in records]
    names = {"dark": "pale", "grey": "dark", "pale": "schwarz, oder: so"}
    called = [
        replace(r, options=tuple(names[o] for o in r.options or ()), label=names[str(r.label)])
        for r in records
    ]
    assert score_records(records, given_, labels=()) == score_records(
        called, [names[answer] for answer in given_], labels=()
    )


def test_records_of_one_group_stand_and_fall_together() -> None:
    records = bright_records(80)
    given_ = [str(r.label) if i % 8 < 6 else "" for i, r in enumerate(records)]
    pictures = [f"p{i // 8 + (i % 8 >= 6) * 100}" for i in range(80)]
    grouped = [replace(r, group=name) for r, name in zip(records, pictures, strict=True)]
    found = score_records(grouped, given_, labels=["no", "yes"], seed=3)
    truth = [str(r.label) for r in records]
    expected = score(truth, given_, classes=["no", "yes"], groups=pictures, seed=3)
    assert found.accuracy_interval == pytest.approx(expected.accuracy_interval, abs=0.02)
    alone = score_records(records, given_, labels=["no", "yes"], seed=3)
    assert np.ptp(found.accuracy_interval) > 1.2 * np.ptp(alone.accuracy_interval)


def test_another_seed_draws_otherwise() -> None:
    records = bright_records(150)
    given_ = [str(r.label) if i % 7 else "" for i, r in enumerate(records)]
    found = [
        score_records(records, given_, labels=["no", "yes"], seed=seed) for seed in (0, 0, 1, 2, 3)
    ]
    assert found[0] == found[1]
    assert len({scores.f1 for scores in found}) == 1
    assert len({scores.f1_interval for scores in found}) > 1


def answer(label: str, **odds: float) -> Prediction:
    return Prediction(label, odds, max(odds.values()), 1, 0.0)


def test_probabilities_are_read_in_the_order_of_the_labels_or_options() -> None:
    """However a prediction's own dictionary is ordered."""
    records = bright_records(2)  # no, yes
    said = [answer("no", yes=0.1, no=0.9), answer("yes", no=0.3, yes=0.7)]
    assert score_predictions(records, said, labels=["no", "yes"]).brier == pytest.approx(0.05)
    own = [asking(("x", "y"), "x"), asking(("y", "x"), "x")]
    said = [answer("x", x=0.9, y=0.1), answer("x", x=0.7, y=0.3)]
    found = score_predictions(own, said, labels=())
    assert (found.accuracy, found.brier) == (1, pytest.approx(0.05))


def test_options_of_different_numbers_have_no_common_probabilities() -> None:
    records = [asking(("x", "y"), "x"), asking(("x", "y", "z"), "z")]
    said = [answer("x", x=0.9, y=0.1), answer("y", x=0.1, y=0.7, z=0.2)]
    found = score_predictions(records, said, labels=())
    assert (found.accuracy, found.ece, found.brier) == (0.5, None, None)
