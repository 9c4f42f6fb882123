from __future__ import annotations

import numpy as np

from superneurons.evaluate.answers import answers_of
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record


def prediction(label: str, **shares: float) -> Prediction:
    return Prediction(label, shares, max(shares.values()), 1, 0.0)


def test_probabilities_stand_in_the_order_of_the_labels() -> None:
    records = [Record((), "Is it?")] * 2
    given = [prediction("yes", yes=0.75, no=0.25), prediction("no", no=1.0)]
    found = answers_of(records, given, ["no", "yes"])
    assert found.labels == ["yes", "no"]
    np.testing.assert_array_equal(found.probabilities, [[0.25, 0.75], [1, 0]])


def test_of_own_options_they_stand_in_the_order_of_each_record() -> None:
    records = [
        Record((), "Which?", options=("cat", "dog", "cow")),
        Record((), "Which?", options=("dog", "ant")),
    ]
    given = [prediction("cow", cat=0.2, cow=0.5, dog=0.3), prediction("ant", ant=0.9, dog=0.1)]
    found = answers_of(records, given, ())
    np.testing.assert_array_equal(found.probabilities, [[0.2, 0.3, 0.5], [0.1, 0.9, 0]])


def test_of_nothing_there_are_none() -> None:
    found = answers_of([], [], ["no", "yes"])
    assert found.labels == []
    assert found.probabilities is not None
    assert len(found.probabilities) == 0
