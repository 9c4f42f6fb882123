"""What chance alone would give: the controls that stand beside every score."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.site import Site
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.null import random_neurons, shuffled_maximum
from superneurons.evaluate.pool import Part, Pool
from superneurons.probes.registry import make_read_out
from superneurons.probes.scores import neuron_scores
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.labels import DataWarning

__all__ = ["BestNeuron", "best_neuron", "random_control", "shuffled_control"]

_DRAWS = 5
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class BestNeuron:
    """The best single neuron of a site under the sign rule, and what chance makes of as many.

    Parameters
    ----------
    accuracy
        Its accuracy on the balanced probing set, which chose it.
    null_maximum
        95th percentile, over label shuffles, of the accuracy of the best neuron of the site.
    shuffles
        How many.
    """

    accuracy: float
    null_maximum: float
    shuffles: int


def best_neuron(
    pool: Pool, site: Site, train: NDArray[np.int64], *, shuffles: int, seed: int
) -> BestNeuron | None:
    """Score all neurons of a site, with the right labels and with shuffled ones.

    Returns
    -------
    BestNeuron or None
        ``None`` where the answers aren't two: the sign rule knows no more.
    """
    rows = pool.balanced_rows(train, seed)
    probing = pool.probing_set(rows)
    classes = np.unique(probing.y)
    if len(classes) != 2:
        return None
    X, positive = pool.at(site, rows).flat, probing.y == classes[1]
    maxima = shuffled_maximum(X, positive, shuffles, groups=probing.groups, seed=seed)
    best = float(np.max(neuron_scores(X, positive)))
    return BestNeuron(best, float(np.quantile(maxima, _LEVEL)), shuffles)


def random_control(
    classifier: SuperNeuronClassifier, pool: Pool, part: Part, *, site: Site, seed: int
) -> float:
    """Balanced accuracy of the same read-out on as many neurons drawn at random; mean of 5 draws.

    They are drawn from the layers that the classifier reads. Answers are those to what was asked,
    before options are rolled up.
    """
    depth = max(neuron.layer for neuron in classifier.neurons_)
    rows, others = pool.balanced_rows(part.train, seed), pool.rows(part.test)
    train, test = pool.probing_set(rows), pool.probing_set(others)
    known = np.isin(test.y, train.y)
    with _unsaid():
        found = random_neurons(
            make_read_out(classifier.read_out, random_state=seed),
            (pool.at(site, rows).up_to(depth), train.y),
            (pool.at(site, others[known]).up_to(depth), test.y[known]),
            n_neurons=len(classifier.neurons_), groups=train.groups, n_draws=_DRAWS, seed=seed,
        )  # fmt: skip
    return float(np.mean(found))


@contextmanager
def _unsaid() -> Iterator[None]:
    """Shuffled labels contradict each other, and neurons drawn at random see little: no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        warnings.filterwarnings("ignore", "A single label was found", UserWarning)
        yield


def shuffled_control(pool: Pool, parts: Sequence[Part], *, site: Site, seed: int) -> float:
    """Balanced accuracy of the improved read-out when its labels were shuffled; mean of the parts.

    All that it chooses (layers, neurons, shrinkage) is chosen anew on the shuffled labels.
    """
    found, width = [], pool.captured.at(site).activations.shape[2]
    for part in parts:
        rows, others = pool.balanced_rows(part.train, seed), pool.rows(part.test)
        train, test = pool.probing_set(rows).shuffled(seed), pool.probing_set(others)
        read_out = make_read_out("super-neurons", random_state=seed, layer_width=width)
        with _unsaid():
            read_out.fit(pool.at(site, rows).flat, train.y, groups=train.groups)
        known = np.isin(test.y, train.y)
        given = read_out.predict(pool.at(site, others[known]).flat)
        found.append(mean_recall(test.y[known], given))
    return float(np.mean(found))
