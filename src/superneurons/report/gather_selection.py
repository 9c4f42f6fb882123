"""What the neurons of a site know one by one, beside those that a classifier reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured
from superneurons.evaluate.cut_scores import cut_scores, shuffled_cut_maximum
from superneurons.report.run import Chosen, Selection
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet

__all__ = ["selection_of"]

# Scores of neurons are as sure as any picture shows with so many questions.
_MOST_QUESTIONS = 4000
# What all shuffles together may cost: neurons × questions × ways to label them. That is seconds.
_MOST_WORK = 5e8
_SHUFFLES = (20, 100)


def selection_of(
    classifier: SuperNeuronClassifier,
    probing: ProbingSet,
    captured: Captured,
    *,
    read_out: str = "",
) -> Selection:
    """Score all neurons that a classifier chose from, with the right labels and with shuffled ones.

    Parameters
    ----------
    classifier
        Fitted.
    probing, captured
        What it was fitted on. Of more than 4,000 questions so many are drawn.
    read_out
        Its name.

    Notes
    -----
    The fewer shuffles the more there is to shuffle, from 100 to 20.
    """
    site, seed = classifier.site_, classifier.random_state
    states = captured.at(site).activations
    states = states[:, : classifier.probing_["neurons_searched"] // states.shape[2]]
    _, codes = np.unique(probing.y, return_inverse=True)
    codes, groups = codes.astype(np.int64), probing.groups
    weights = _weights(classifier, states)
    if len(codes) > _MOST_QUESTIONS:
        rows = np.sort(np.random.default_rng(seed).permutation(len(codes))[:_MOST_QUESTIONS])
        states, codes, groups = states[rows], codes[rows], groups[rows]
    scores = cut_scores(states, codes)
    n = _shuffles(states, len(np.unique(codes)))
    maxima = shuffled_cut_maximum(states, codes, n, groups=groups, seed=seed)
    return Selection(
        site.kind, site.position, scores, _chosen(classifier, scores, weights),
        tuple(np.round(maxima, 6).tolist()), len(codes), read_out,
    )  # fmt: skip


def _shuffles(states: NDArray[Any], n_classes: int) -> int:
    each = states.size * (1 if n_classes == 2 else n_classes)
    return int(np.clip(_MOST_WORK // max(1, each), *_SHUFFLES))


def _weights(classifier: SuperNeuronClassifier, states: NDArray[Any]) -> NDArray[np.float64]:
    """Weight of each neuron's vote, shape (K,); 1 where the read-out weighs all the same."""
    coef = getattr(classifier.read_out_, "coef_", None)
    if coef is None:
        return np.ones(len(classifier.neurons_))
    if not hasattr(classifier.read_out_, "per_unit_"):  # else weights are of standard scores
        layers, columns = _places(classifier)
        coef = coef * states[:, layers, columns].astype(np.float64).std(axis=0)[:, None]
    return np.asarray(coef[:, 0] if coef.shape[1] == 1 else np.linalg.norm(coef, axis=1))


def _places(classifier: SuperNeuronClassifier) -> tuple[list[int], list[int]]:
    neurons = classifier.neurons_
    return [neuron.layer - 1 for neuron in neurons], [neuron.index for neuron in neurons]


def _chosen(
    classifier: SuperNeuronClassifier, scores: NDArray[np.float32], weights: NDArray[np.float64]
) -> tuple[Chosen, ...]:
    """Name the neurons, the heaviest first, of equal ones those that score best alone."""
    own = scores[_places(classifier)].astype(np.float64)
    order = np.lexsort((-own, -np.abs(weights)))
    return tuple(
        Chosen(neuron.layer, neuron.index, round(float(own[k]), 6), float(f"{weights[k]:.6g}"))
        for k, neuron in ((k, classifier.neurons_[k]) for k in order.tolist())
    )
