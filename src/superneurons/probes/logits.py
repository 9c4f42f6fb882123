"""The base model's own answer, read off its logits over the label words: raw and calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from superneurons.errors import DataError, Problem
from superneurons.probes.arrays import check_query, check_training
from superneurons.probes.fitted import FittedReadOut
from superneurons.probes.scaling import binary_probabilities, fit_scale
from superneurons.probes.splits import canonical_order
from superneurons.probes.thresholds import best_cuts

__all__ = ["CalibratedLogits", "LabelLogits"]

# Weak enough to leave any real bias alone, strong enough to keep separable data finite.
_RIDGE = 1e-4


class LabelLogits(FittedReadOut):
    """The label whose word has the largest logit: the rival that costs nothing.

    Nothing is learned but the labels. The columns of ``X`` are the logits of the label words, one
    per class in the order of ``classes_``; or one fewer, relative to the first class, so that a
    single column is the log-odds of the positive one. Columns beyond the classes aren't read.

    Examples
    --------
    >>> X = np.array([[2.0, 1.0], [0.0, 3.0]])
    >>> LabelLogits().fit(X, ["no", "yes"]).predict(X).tolist()
    ['no', 'yes']
    """

    name: ClassVar[str] = "logits"

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Note the classes.

        Parameters
        ----------
        X
            Logits of shape (N, C).
        y
            Labels of shape (N,), with every class among them.
        groups
            Not needed.

        Raises
        ------
        DataError
            NaN or infinity, one class only, too few columns for the classes.
        """
        X, codes = check_training(self, X, y, groups)
        n_classes = len(self.classes_)
        if X.shape[1] < n_classes - 1:
            raise DataError(
                f"n_features = {X.shape[1]}: too few columns for {n_classes} classes.",
                mend="Give the logits of the label words, one column for each class.",
            )
        self.neurons_ = np.arange(min(X.shape[1], n_classes))
        self._calibrate(self._logits(X[:, self.neurons_]), codes)
        return self

    def _calibrate(self, logits: NDArray[np.float64], codes: NDArray[np.int64]) -> None:
        """Learn nothing: the raw logits decide."""

    def _logits(self, columns: NDArray[Any]) -> NDArray[np.float64]:
        """Shape (N, C), the missing column of the reference class put in as 0."""
        missing = len(self.classes_) - columns.shape[1]
        return np.pad(columns.astype(np.float64), ((0, 0), (missing, 0)))

    def _contradictions(self) -> list[Problem]:
        n_neurons, n_classes = len(self.neurons_), len(self.classes_)
        if n_neurons in (n_classes - 1, n_classes):
            return []
        return [Problem("neurons_", f"{n_neurons} columns for {n_classes} classes")]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds of the second class, shape (N,), or the logits, shape (N, C)."""
        logits = self._logits(check_query(self, X))
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Softmax over the label words, shape (N, C)."""
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return binary_probabilities(decision)
        return np.asarray(softmax(decision, axis=1))

    def __sklearn_tags__(self) -> Any:
        """Say that arbitrary columns are no logits, and give poor answers."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class CalibratedLogits(LabelLogits):
    """The base model's logits with what a few labels can correct: its bias and its confidence.

    Two classes: the threshold on the log-odds that makes the fewest errors, then one scale for
    the probabilities (Platt's, with the threshold fixed). More classes: one temperature and one
    bias per class, by maximum likelihood. Either way fitted on the whole probing set, which a
    handful of parameters can't overfit.

    Attributes
    ----------
    scale_ : float
        Factor on the logits, 1 / temperature.
    biases_ : ndarray of shape (C,), float64
        Added to the scaled logits; the first is 0.

    Notes
    -----
    Guo et al. 2017, "On Calibration of Modern Neural Networks"; Platt 1999.
    """

    name: ClassVar[str] = "calibrated-logits"
    _arrays: ClassVar[Mapping[str, str]] = {"biases_": "float C"}
    _values: ClassVar[Mapping[str, type]] = {"scale_": float}

    scale_: float
    biases_: NDArray[np.float64]

    def _calibrate(self, logits: NDArray[np.float64], codes: NDArray[np.int64]) -> None:
        if logits.shape[1] == 2:
            odds = logits[:, 1] - logits[:, 0]
            threshold = float(best_cuts(odds[:, None], codes == 1, signed=False).thresholds[0])
            self.scale_ = fit_scale(odds - threshold, codes == 1)
            self.biases_ = np.array([0.0, -self.scale_ * threshold])
        else:
            order = canonical_order(logits, codes)
            self.scale_, self.biases_ = _fit_softmax(logits[order], codes[order])

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Calibrated log-odds of the second class, shape (N,), or logits, shape (N, C)."""
        decision = super().decision_function(X) * self.scale_
        return decision + (self.biases_[1] if decision.ndim == 1 else self.biases_)


def _fit_softmax(
    logits: NDArray[np.float64], codes: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64]]:
    """Fit scale and biases of ``softmax(scale * logits + biases)`` by maximum likelihood."""
    n, n_classes = logits.shape
    # In units of their own spread the scale is about 1, whatever the model's logits are like.
    unit = float(logits.std()) or 1.0
    scaled = logits / unit
    truth = np.eye(n_classes)[codes]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, biases = np.exp(parameters[0]), np.concatenate([[0.0], parameters[1:]])
        log_p = log_softmax(scale * scaled + biases, axis=1)
        residual = (np.exp(log_p) - truth) / n
        slope = np.concatenate([[scale * (residual * scaled).sum()], residual.sum(axis=0)[1:]])
        penalty = _RIDGE * float(parameters @ parameters)
        return -float((log_p * truth).sum()) / n + penalty, slope + 2 * _RIDGE * parameters

    found = minimize(loss, np.zeros(n_classes), jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])) / unit, np.concatenate([[0.0], found[1:]])
