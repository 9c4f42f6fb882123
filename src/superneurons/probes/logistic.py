"""The logistic probe: what iterative training on one layer gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from superneurons.probes.arrays import row_products
from superneurons.probes.layers import LayerReadOut

__all__ = ["LogisticProbe"]


class LogisticProbe(LayerReadOut):
    """Logistic regression on one layer; layer and L2 penalty chosen by cross-validation.

    The standard rival: it is trained by steps, and reads every neuron of its layer.

    Parameters
    ----------
    layer_width : int or None
        Neurons per layer; ``None``: all columns are one layer.
    n_folds : int
        Folds of the cross-validation.
    random_state : int, RandomState or None
        Seed of the folds.

    Attributes
    ----------
    layer_, setting_, cv_score_
        See :class:`~superneurons.probes.layers.LayerReadOut`; the setting is C, the inverse of
        the penalty on standard scores.
    coef_ : ndarray of shape (layer_width, 1) for two classes, else (layer_width, C)
    intercept_ : ndarray of shape (1,) or (C,)
    """

    name: ClassVar[str] = "logistic"
    _arrays: ClassVar[Mapping[str, str]] = {
        **LayerReadOut._arrays,
        "coef_": "float K T",
        "intercept_": "float T",
    }

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(
        self, *, layer_width: int | None = None, n_folds: int = 3, random_state: Any = 0
    ) -> None:
        self.layer_width = layer_width
        self.n_folds = n_folds
        self.random_state = random_state

    def _settings(self, n: int) -> list[float]:  # noqa: ARG002
        return [0.001, 0.01, 0.1, 1.0]

    def _answers(
        self,
        A: NDArray[np.float32],
        codes: NDArray[np.int64],
        B: NDArray[np.float32],
        settings: list[float],
    ) -> list[NDArray[np.int64]]:
        # From the strongest penalty to the weakest, each starting where the last one ended.
        model = LogisticRegression(warm_start=True, max_iter=1000, tol=1e-3)
        return [model.set_params(C=C).fit(A, codes).predict(B) for C in settings]

    def _learn(self, A: NDArray[np.float32], codes: NDArray[np.int64]) -> None:
        model = LogisticRegression(C=self.setting_, max_iter=5000).fit(A.astype(np.float64), codes)
        self.coef_, self.intercept_ = model.coef_.T, model.intercept_

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds of the second class, shape (N,); or log-probabilities up to a constant, (N, C).

        Raises
        ------
        DataError
            Another number of columns than in ``fit``, NaN or infinity.
        """
        decision = row_products(self._scores(X), self.coef_) + self.intercept_
        return np.asarray(decision[:, 0] if decision.shape[1] == 1 else decision)
