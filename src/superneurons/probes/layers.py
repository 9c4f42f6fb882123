"""Read-outs of one whole layer: which layer is decided by cross-validation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from superneurons.probes.arrays import check_layers, check_query, check_training
from superneurons.probes.fitted import FittedReadOut, require_ranges, seed_of
from superneurons.probes.scaling import binary_probabilities
from superneurons.probes.soft_votes import SoftVotes
from superneurons.probes.splits import canonical_order, folds
from superneurons.probes.states import is_whole

__all__ = ["LayerReadOut"]


class LayerReadOut(FittedReadOut):
    """A classifier on the standard scores of one layer's neurons.

    Columns of ``X`` are layers of ``layer_width`` neurons each, one after the other. Layer and
    setting are those with the most right answers in cross-validation over groups; of equal ones
    the shallowest layer, and of its settings the first.

    Attributes
    ----------
    layer_ : int
        The layer read, counted in widths from the first column.
    setting_ : float
        The chosen setting.
    cv_score_ : float
        Share of right answers in the cross-validation that chose them: a little too good.
    """

    _arrays: ClassVar[Mapping[str, str]] = {"mean_": "float K", "per_unit_": "float K"}
    _values: ClassVar[Mapping[str, type]] = {"layer_": int, "setting_": float, "cv_score_": float}

    layer_width: int | None
    n_folds: int
    random_state: Any

    layer_: int
    setting_: float
    cv_score_: float
    mean_: NDArray[np.float32]
    per_unit_: NDArray[np.float32]

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Choose the layer and learn on it.

        Parameters
        ----------
        X
            Activations of shape (N, L * layer_width).
        y
            Labels of shape (N,).
        groups
            Shape (N,): samples of one group are never parted.

        Raises
        ------
        DataError
            NaN or infinity, one class only, a class in fewer than 2 groups, columns that aren't
            whole layers, a parameter out of range.
        """
        self._check_parameters()
        X, codes = check_training(self, X, y, groups)
        width = self.layer_width or X.shape[1]
        check_layers(X, width)
        seed = seed_of(self.random_state)
        fold = folds(X, codes, groups, n_folds=self.n_folds, seed=seed, classes=self.classes_)
        order = canonical_order(X, codes, seed=seed, fold=fold)
        votes, codes, fold = SoftVotes.of(X, order), codes[order], fold[order]
        # See SuperNeurons: small problems, many of them.
        with threadpool_limits(1, user_api="blas"):
            self._choose(votes, codes, fold, width)
            self.neurons_ = np.arange(self.layer_ * width, (self.layer_ + 1) * width)
            self.mean_ = votes.mean[self.neurons_]
            self.per_unit_ = votes.per_unit[self.neurons_]
            self._learn(votes.block(self.neurons_).numpy(), codes)
        return self

    def _check_parameters(self) -> None:
        width = self.layer_width
        require_ranges(
            ("layer_width", width, width is None or is_whole(width, 1), "None or at least 1"),
            ("n_folds", self.n_folds, is_whole(self.n_folds, 2), "at least 2"),
        )

    def _choose(
        self,
        votes: SoftVotes,
        codes: NDArray[np.int64],
        fold: NDArray[np.int64],
        width: int,
    ) -> None:
        """Set ``layer_``, ``setting_`` and ``cv_score_``."""
        settings = self._settings(len(codes))
        self.cv_score_ = -1.0
        for layer in range(len(votes.mean) // width):
            A = votes.block(slice(layer * width, (layer + 1) * width)).numpy()
            right = np.zeros(len(settings))
            for f in range(fold.max() + 1):
                given = self._answers(A[fold != f], codes[fold != f], A[fold == f], settings)
                right += [np.sum(answers == codes[fold == f]) for answers in given]
            if right.max() / len(codes) > self.cv_score_:
                self.cv_score_ = float(right.max() / len(codes))
                self.layer_, self.setting_ = layer, settings[int(right.argmax())]

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Standard scores of the layer, shape (N, layer_width)."""
        return np.asarray((check_query(self, X).astype(np.float64) - self.mean_) * self.per_unit_)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of shape (N, C)."""
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return binary_probabilities(decision)
        p = np.exp(decision - decision.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    @abstractmethod
    def _settings(self, n: int) -> list[float]:
        """Settings to choose from, given N samples."""

    @abstractmethod
    def _answers(
        self,
        A: NDArray[np.float32],
        codes: NDArray[np.int64],
        B: NDArray[np.float32],
        settings: list[float],
    ) -> list[NDArray[np.int64]]:
        """Learn from ``A`` with each setting; class indices for ``B``."""

    @abstractmethod
    def _learn(self, A: NDArray[np.float32], codes: NDArray[np.int64]) -> None:
        """Learn from ``A`` with the chosen setting."""
