"""What scikit-learn expects of a classifier, from answers to records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from superneurons.errors import DataError
from superneurons.shortcut.prediction import Prediction
from superneurons.shortcut.probing import with_labels
from superneurons.task.record import Record

__all__ = ["Predicting"]


class Predicting:
    """Labels, probabilities and accuracy of what answers records.

    Attributes
    ----------
    classes_ : ndarray of str
        The labels, sorted; empty when each record brings options of its own.
    """

    classes_: NDArray[np.str_]

    @abstractmethod
    def answers(self, records: Sequence[Record]) -> Iterator[Prediction]:
        """Answer records one batch at a time, in order."""

    def predict(self, records: Sequence[Record]) -> NDArray[np.str_]:
        """Return the label of each record, shape (N,)."""
        return np.array([answer.label for answer in self.answers(records)], dtype=np.str_)

    def predict_proba(self, records: Sequence[Record]) -> NDArray[np.float64]:
        """Return the probability of each label, shape (N, C), in the order of ``classes_``.

        Raises
        ------
        DataError
            When records bring options of their own, so that there are no common columns.
        """
        check_is_fitted(self, "classes_")
        names = self.classes_.tolist()
        if not names:
            raise DataError(
                "The options differ from record to record, so there are no common classes.",
                mend="Use answers(), which gives each record's own probabilities.",
            )
        rows = [
            [answer.probabilities.get(name, 0.0) for name in names]
            for answer in self.answers(records)
        ]
        return np.array(rows, dtype=np.float64).reshape(len(records), len(names))

    def score(self, records: Sequence[Record], y: Sequence[str] | None = None) -> float:
        """Return the plain accuracy; :mod:`superneurons.evaluate` gives what belongs to it."""
        truth = [record.label for record in with_labels(records, y)]
        return float(np.mean(self.predict(records) == np.array(truth)))
