"""The contract every read-out keeps: a scikit-learn classifier over columns of activations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

__all__ = ["JsonValue", "ReadOut", "ReadOutState"]

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True)
class ReadOutState:
    """What a fitted read-out is, as arrays and JSON values: what an artefact stores.

    Parameters
    ----------
    arrays
        Learned arrays by name; numeric dtypes only.
    values
        Learned scalars and settings by name; JSON values only.
    """

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    values: Mapping[str, JsonValue] = field(default_factory=dict)


class ReadOut(ClassifierMixin, BaseEstimator):
    """A classifier over activations that knows which columns it reads.

    Columns of ``X`` are neurons. A fitted read-out keeps their indices in ``neurons_``; only these
    are needed afterwards, so :meth:`compact` gives the same classifier over just those columns.
    That is what makes an early exit possible: the deepest column read decides the exit layer.

    Attributes
    ----------
    neurons_ : ndarray of shape (K,), int64
        Columns of ``X`` that decide, ascending.
    classes_ : ndarray of shape (C,)
        The labels, sorted; with two, the second is the positive one.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    """

    name: ClassVar[str]
    """The name in the registry, on the command line and in artefacts."""

    neurons_: NDArray[np.int64]
    classes_: NDArray[Any]
    n_features_in_: int

    @abstractmethod
    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from ``X`` (N, P) and labels ``y`` (N,); groups are never parted."""

    @abstractmethod
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores of shape (N,) for two classes (positive: the second), else (N, C)."""

    @abstractmethod
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of shape (N, C), rows summing to 1, in the order of ``classes_``."""

    @abstractmethod
    def predict(self, X: Any) -> NDArray[Any]:
        """Labels of shape (N,)."""

    @abstractmethod
    def compact(self) -> Self:
        """Return the fitted read-out over ``X[:, neurons_]`` alone: K columns, same answers."""

    @abstractmethod
    def get_state(self) -> ReadOutState:
        """Everything learned, for storage; ``classes_`` are stored by the artefact."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: ReadOutState, classes: NDArray[Any]) -> Self:
        """Rebuild a fitted read-out from :meth:`get_state`."""
