"""How many layers are worth running: the fewest that answer nearly as well as any number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.probes.ridge import dual_weights, gaussian_log_odds
from superneurons.probes.soft_votes import SoftVotes
from superneurons.probes.trust import standardised, trust

__all__ = ["DepthAnswers", "depth_answers", "depth_scores", "shallowest"]

_PENALTIES = (0.03, 0.3, 3.0)
# A factorisation for each layer, fold and penalty costs N³: more samples add little to the choice.
_MOST_SAMPLES = 800


@dataclass(frozen=True, slots=True, eq=False)
class DepthAnswers:
    """What the first 1, 2, … layers answered to samples that they weren't fitted on.

    Parameters
    ----------
    rows
        Shape (n,), int64: which samples, as they were given.
    given
        Shape (L, n), int64: the class given to each.
    """

    rows: NDArray[np.int64]
    given: NDArray[np.int64]

    def scores(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return balanced accuracies, shape (L,), given the class of every sample."""
        return np.array([_balanced(answers, codes[self.rows]) for answers in self.given])


def shallowest(scores: NDArray[np.float64], tolerance: float) -> int:
    """Return the fewest layers that score within ``tolerance`` of the best number of layers.

    Parameters
    ----------
    scores
        Score of the first 1, 2, … layers, shape (L,).
    tolerance
        In the same units.

    Examples
    --------
    >>> shallowest(np.array([0.6, 0.895, 0.85, 0.9]), tolerance=0.01)
    2
    """
    return int(np.argmax(scores >= scores.max() - tolerance - 1e-12)) + 1


def depth_scores(
    votes: SoftVotes,
    Y: NDArray[np.float64],
    codes: NDArray[np.int64],
    fold: NDArray[np.int64],
    width: int,
) -> NDArray[np.float64]:
    """Cross-validate ridge regression over all neurons of the first 1, 2, … layers.

    Neurons are trusted by their neighbourhood, as in
    :class:`~superneurons.probes.super_neurons.SuperNeurons`, anew for each fold. Products of
    samples add up from layer to layer, so that all depths together cost one pass over the neurons.

    Parameters
    ----------
    votes
        Of N samples and L * ``width`` neurons.
    Y, codes, fold
        Regression targets (N, T), classes (N,) and folds (N,).
    width
        Neurons per layer.

    Returns
    -------
    ndarray of shape (L,), float64
        Balanced accuracy for each number of layers, at the best of three penalties: a little too
        good, alike for all of them.
    """
    return DepthAnswers(*depth_answers(votes, Y, codes, fold, width)).scores(codes)


def depth_answers(
    votes: SoftVotes,
    Y: NDArray[np.float64],
    codes: NDArray[np.int64],
    fold: NDArray[np.int64],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Answer each sample from the first 1, 2, … layers, as fitted without its fold.

    Parameters are those of :func:`depth_scores`.

    Returns
    -------
    rows : ndarray of shape (n,), int64
        The samples that were answered: the first 800 of them, where these have every class.
    given : ndarray of shape (L, n), int64
        The class given to each, at the best of three penalties for each number of layers.
    """
    rows = np.arange(len(Y))
    if len(np.unique(codes[:_MOST_SAMPLES])) == len(np.unique(codes)):
        rows = rows[:_MOST_SAMPLES]
    Y, codes, fold = Y[rows], codes[rows], fold[rows]
    parts = [fold != f for f in np.unique(fold)]
    trusts = _trusts(votes, Y, rows, parts)
    grams = np.zeros((len(parts), len(rows), len(rows)))
    given = []
    for start in range(0, len(votes.mean), width):
        columns = slice(start, start + width)
        block = votes.block(columns, torch.from_numpy(rows))
        for i, weight in enumerate(trusts):
            trusted = block * torch.from_numpy(weight[columns]).float()
            grams[i] += (trusted @ trusted.T).numpy()
        tried = [_answers(grams, Y, codes, parts, penalty) for penalty in _PENALTIES]
        given.append(max(tried, key=lambda answers: _balanced(answers, codes)))
    return rows, np.array(given)


def _trusts(
    votes: SoftVotes,
    Y: NDArray[np.float64],
    rows: NDArray[np.int64],
    parts: list[NDArray[np.bool_]],
) -> list[NDArray[np.float64]]:
    """Trust of each neuron, shape (P,), by the samples of each part."""
    ways = np.zeros((len(rows), len(parts), Y.shape[1]))
    for i, part in enumerate(parts):
        ways[part, i] = standardised(Y[part])
    sums = votes.weighted_sums(rows, ways.reshape(len(rows), -1))
    squares = sums.reshape(len(sums), len(parts), -1) ** 2
    return [trust(np.mean(squares[:, i], axis=1), int(part.sum())) for i, part in enumerate(parts)]


def _balanced(given: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    return float(np.mean([np.mean(given[codes == c] == c) for c in np.unique(codes)]))


def _answers(
    grams: NDArray[np.float64],
    Y: NDArray[np.float64],
    codes: NDArray[np.int64],
    parts: list[NDArray[np.bool_]],
    penalty: float,
) -> NDArray[np.int64]:
    scores = np.empty_like(Y)
    for gram, part in zip(grams, parts, strict=True):
        inside = gram[np.ix_(part, part)]
        alpha = dual_weights(inside, Y[part], penalty)
        products = gram[np.ix_(~part, part)] - inside.mean(axis=0)
        scores[~part] = products @ alpha + Y[part].mean(axis=0)
    A, b = gaussian_log_odds(scores, codes, int(codes.max()) + 1)
    decision = scores @ A + b
    given = decision[:, 0] > 0 if decision.shape[1] == 1 else decision.argmax(axis=1)
    return given.astype(np.int64)
