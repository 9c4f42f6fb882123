"""What the words of the question give away: a classifier that never sees the picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from superneurons.errors import DataError, Problem

__all__ = ["TextOnly"]


class TextOnly(ClassifierMixin, BaseEstimator):
    """Logistic regression on the bag of the question's words.

    A data set with a text prior ("Is there a unicorn?" is mostly "no") makes every probe look
    clever. Whatever this classifier scores above chance owes nothing to the pictures.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The labels, sorted.

    Examples
    --------
    >>> questions = ["Is there a dog?", "Is there a cat?"] * 4
    >>> TextOnly().fit(questions, ["yes", "no"] * 4).predict(["A dog here?"]).tolist()
    ['yes']
    """

    classes_: NDArray[Any]

    def __init__(self, *, C: float = 1.0) -> None:
        self.C = C

    def fit(self, questions: Sequence[str], y: Any) -> Self:
        """Learn from ``questions`` and their labels, both of length N.

        Raises
        ------
        DataError
            Questions that aren't text, another number of labels, one class only.
        """
        questions, labels = _checked(questions), np.asarray(y)
        if labels.shape != (len(questions),) or len(np.unique(labels)) < 2:
            raise DataError(
                f"{len(questions)} questions need as many labels, of at least two classes; "
                f"got shape {labels.shape}, classes {np.unique(labels).tolist()}.",
                mend="Give one label for each question.",
            )
        self.pipeline_: Pipeline = make_pipeline(
            CountVectorizer(analyzer=_words), LogisticRegression(C=self.C, max_iter=1000)
        ).fit(questions, labels)
        self.classes_ = self.pipeline_.classes_
        return self

    def predict(self, questions: Sequence[str]) -> NDArray[Any]:
        """Labels of shape (N,)."""
        check_is_fitted(self, "classes_")
        return np.asarray(self.pipeline_.predict(_checked(questions)))

    def predict_proba(self, questions: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of shape (N, C), in the order of ``classes_``."""
        check_is_fitted(self, "classes_")
        return np.asarray(self.pipeline_.predict_proba(_checked(questions)))


def _words(question: str) -> list[str]:
    # The empty word stands for a question without any, and keeps the vocabulary from being empty.
    return ["", *re.findall(r"\w+|[^\w\s]", question.lower())]


def _checked(questions: Sequence[str]) -> list[str]:
    if isinstance(questions, str):
        raise DataError("A single string was given for questions.", mend="Give a list of them.")
    problems = [
        Problem(f"question {i}", f"{type(question).__name__}, not text")
        for i, question in enumerate(questions)
        if not isinstance(question, str)
    ]
    if problems:
        raise DataError("Questions must be text.", problems=problems, mend="Convert them.")
    return list(questions)
