from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from pictures import bright_records
from superneurons.errors import DataError
from superneurons.shortcut.predicting import Predicting
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record


class Alternating(Predicting, BaseEstimator):
    """Answers by the number in the id, and names only what it believes."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = classes

    def fit(self) -> Alternating:
        self.classes_ = np.array(self.classes, dtype=np.str_)
        return self

    def answers(self, records: Sequence[Record]) -> Iterator[Prediction]:
        for record in records:
            label = "yes" if int(record.id.split(":")[1]) % 2 else "no"
            yield Prediction(label, {label: 1.0}, 1.0, 1, 0.0, record.id)


def test_labels_probabilities_and_accuracy_follow_from_answers() -> None:
    records, classifier = bright_records(5), Alternating(["no", "yes"]).fit()
    assert classifier.predict(records).tolist() == ["no", "yes", "no", "yes", "no"]
    assert classifier.predict_proba(records).argmax(axis=1).tolist() == [0, 1, 0, 1, 0]
    assert classifier.score(records) == 1
    assert classifier.score(records, ["yes"] * 5) == 0.4


def test_nothing_asked_is_nothing_answered() -> None:
    classifier = Alternating(["no", "yes"]).fit()
    assert classifier.predict([]).shape == (0,)
    assert classifier.predict_proba([]).shape == (0, 2)


def test_without_common_classes_there_are_no_columns() -> None:
    with pytest.raises(DataError, match="options differ"):
        Alternating([]).fit().predict_proba(bright_records(2))


def test_nothing_is_known_before_fit() -> None:
    with pytest.raises(NotFittedError):
        Alternating(["no", "yes"]).predict_proba(bright_records(2))
