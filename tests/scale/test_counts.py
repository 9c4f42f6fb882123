from __future__ import annotations

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import Metric, neuron_scores
from superneurons.scale.counts import SignCounts


def made(n: int = 61, p: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.random(n) < 0.4
    X = rng.normal(size=(n, p)).astype(np.float16)
    X[:, :40] += np.where(y, 1, -1)[:, None].astype(np.float16)
    X[:, 50] = 0
    return X, y


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@pytest.mark.parametrize("parts", [1, 2, 7, 61])
def test_scores_of_parts_are_those_of_the_whole(metric: Metric, parts: int) -> None:
    X, y = made()
    counts = SignCounts.none(X.shape[1])
    for rows in np.array_split(np.random.default_rng(1).permutation(len(y)), parts):
        counts = counts.plus(X[rows], y[rows])
    assert np.array_equal(counts.scores(metric), neuron_scores(X, y, metric))


def test_the_paper_s_rule_finds_the_same_best_score() -> None:
    X, y = made()
    counts = SignCounts.none(X.shape[1]).plus(X[:20], y[:20]).plus(X[20:], y[20:])
    fitted = PaperSuperNeurons().fit(X, np.where(y, "yes", "no"))
    scores = counts.scores("accuracy")
    assert scores.max() == fitted.best_score_
    assert np.array_equal(scores[fitted.neurons_], fitted.scores_)
    assert np.array_equal(np.flatnonzero(scores > fitted.threshold_ + 1e-9), fitted.neurons_)


def test_processes_sum_one_array() -> None:
    X, y = made()
    mine = SignCounts.none(X.shape[1]).plus(X[:30], y[:30])
    other = SignCounts.none(X.shape[1]).plus(X[30:], y[30:])
    both = mine.summed(lambda counts: counts + other.as_array())
    assert (both.n_positive, both.n_negative) == (int(y.sum()), int((~y).sum()))
    assert np.array_equal(both.scores(), neuron_scores(X, y))
    assert mine.as_array().dtype == np.int64


def test_what_is_no_number_is_refused() -> None:
    X, y = made()
    X[3, 7] = np.nan
    with pytest.raises(DataError, match="sample 3"):
        SignCounts.none(X.shape[1]).plus(X, y)
