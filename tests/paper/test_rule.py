"""The paper's formulas, written out once more in plain NumPy and loops, against our estimator.

"Taking Shortcuts for Categorical VQA Using Super Neurons" (arXiv 2603.10781), §3.2.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.evaluate.null import chance_maximum
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import neuron_scores
from superneurons.probes.splits import hold_out

ALPHA = 0.0


def binarised(activation: float) -> int:
    return 1 if activation > ALPHA else 0


def score_of(column: np.ndarray, truth: np.ndarray, metric: str) -> Fraction:
    answers = [binarised(a) for a in column]
    pairs = list(zip(answers, truth.tolist(), strict=True))
    if metric == "accuracy":
        return Fraction(sum(answer == right for answer, right in pairs), len(pairs))
    tp = sum(answer == 1 and right == 1 for answer, right in pairs)
    fp = sum(answer == 1 and right == 0 for answer, right in pairs)
    fn = sum(answer == 0 and right == 1 for answer, right in pairs)
    if tp == 0:
        return Fraction(0)
    precision, recall = Fraction(tp, tp + fp), Fraction(tp, tp + fn)
    return 2 * precision * recall / (precision + recall)


def super_neurons(X: np.ndarray, truth: np.ndarray, metric: str, margin: Fraction) -> list[int]:
    """All neurons whose score is strictly above SNt = best score - margin (Eq. 5)."""
    scores = [score_of(X[:, d], truth, metric) for d in range(X.shape[1])]
    sn_threshold = max(scores) - margin
    return [d for d, value in enumerate(scores) if value > sn_threshold]


def answers_of(X: np.ndarray, neurons: list[int], aggregation: str) -> list[int]:
    answers = []
    for row in X:
        if aggregation == "majority":
            yes = sum(binarised(row[d]) for d in neurons)
            answers.append(1 if yes > len(neurons) - yes else 0)
        else:
            # Eighths add up exactly, in any order.
            answers.append(1 if sum(Fraction(float(row[d])) for d in neurons) > 0 else 0)
    return answers


def balanced_accuracy(answers: list[int], truth: np.ndarray) -> Fraction:
    recalls = []
    for c in (0, 1):
        of_class = [answer == c for answer, right in zip(answers, truth, strict=True) if right == c]
        recalls.append(Fraction(sum(of_class), len(of_class)))
    return sum(recalls) / 2


def random_probing_set(seed: int, n: int = 64, p: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % 2)
    strength = rng.uniform(-0.2, 0.8, size=p)
    X = rng.normal(size=(n, p)) + np.outer(2 * truth - 1, strength)
    return np.round(X * 8) / 8, truth


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_scores(metric, seed) -> None:
    X, truth = random_probing_set(seed)
    expected = [float(score_of(X[:, d], truth, metric)) for d in range(X.shape[1])]
    np.testing.assert_allclose(neuron_scores(X, truth, metric), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@pytest.mark.parametrize("aggregation", ["majority", "mean"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), thousandths=st.integers(1, 60))
def test_selection_and_answers_at_a_fixed_margin(metric, aggregation, seed, thousandths) -> None:
    X, truth = random_probing_set(seed)
    X_new, _ = random_probing_set(seed + 1)
    margin = thousandths / 1000
    fitted = PaperSuperNeurons(
        metric=metric, aggregation=aggregation, max_margin=margin, margin_step=margin
    ).fit(X, truth)
    neurons = super_neurons(X, truth, metric, Fraction(thousandths, 1000))
    assert fitted.neurons_.tolist() == neurons
    assert fitted.predict(X_new).tolist() == answers_of(X_new, neurons, aggregation)


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
@pytest.mark.parametrize("aggregation", ["majority", "mean"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_margin_is_the_best_on_the_held_out_part(metric, aggregation, seed) -> None:
    X, truth = random_probing_set(seed)
    fitted = PaperSuperNeurons(metric=metric, aggregation=aggregation, margin_step=0.005)
    held = held_out_by(fitted, X, truth)

    achieved = {}
    for thousandths in range(5, 31, 5):
        margin = Fraction(thousandths, 1000)
        neurons = super_neurons(X[~held], truth[~held], metric, margin)
        answers = answers_of(X[held], neurons, aggregation)
        achieved[margin] = balanced_accuracy(answers, truth[held])
    best = max(achieved.values())
    smallest = min(margin for margin, value in achieved.items() if value == best)

    fitted.fit(X, truth)
    assert fitted.margin_ == pytest.approx(float(smallest))
    assert fitted.selection_score_ == pytest.approx(float(best))
    assert fitted.neurons_.tolist() == super_neurons(X, truth, metric, smallest)


def held_out_by(estimator: PaperSuperNeurons, X: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return hold_out(X, truth, None, size=estimator.selection_size, seed=estimator.random_state)


def test_a_quarter_of_each_class_is_held_out() -> None:
    X, truth = random_probing_set(0)
    held = held_out_by(PaperSuperNeurons(), X, truth)
    assert np.bincount(truth[held]).tolist() == [8, 8]


@pytest.mark.parametrize(("n", "share"), [(40, 0.83), (100, 0.72), (942, 0.57), (3000, 0.54)])
def test_the_noise_ceiling_of_the_papers_search_space(n, share) -> None:
    # 32 layers of 4,096 neurons: what the best of them scores when all toss coins.
    assert chance_maximum(n, 32 * 4096) == pytest.approx(share, abs=0.01)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), aggregation=st.sampled_from(["majority", "mean"]))
def test_the_rule_knows_no_order_of_neurons(seed, aggregation) -> None:
    X, truth = random_probing_set(seed)
    order = np.random.default_rng(seed).permutation(X.shape[1])
    groups = np.arange(len(X))
    one = PaperSuperNeurons(aggregation=aggregation).fit(X, truth, groups)
    other = PaperSuperNeurons(aggregation=aggregation).fit(X[:, order], truth, groups)
    assert sorted(order[other.neurons_].tolist()) == one.neurons_.tolist()
    np.testing.assert_array_equal(one.predict(X), other.predict(X[:, order]))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_majority_counts_signs_and_no_sizes(seed) -> None:
    X, truth = random_probing_set(seed)
    factors = np.random.default_rng(seed).integers(1, 9, size=X.shape)
    groups = np.arange(len(X))
    one, other = (PaperSuperNeurons().fit(A, truth, groups) for A in (X, X * factors))
    assert one.neurons_.tolist() == other.neurons_.tolist()
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X * factors))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), exponent=st.integers(-3, 5))
def test_a_mean_follows_the_unit_of_all_activations(seed, exponent) -> None:
    X, truth = random_probing_set(seed)
    factor, groups = 2.0**exponent, np.arange(len(X))
    one, other = (
        PaperSuperNeurons(aggregation="mean").fit(A, truth, groups) for A in (X, X * factor)
    )
    assert one.neurons_.tolist() == other.neurons_.tolist()
    np.testing.assert_array_equal(
        one.decision_function(X) * factor, other.decision_function(X * factor)
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(["accuracy", "f1"]))
def test_a_wider_margin_keeps_every_neuron_of_a_narrower_one(seed, metric) -> None:
    X, truth = random_probing_set(seed)
    kept: set[int] = set()
    for thousandths in (5, 20, 60, 200):
        margin = thousandths / 1000
        fitted = PaperSuperNeurons(metric=metric, max_margin=margin, margin_step=margin)
        neurons = set(fitted.fit(X, truth).neurons_.tolist())
        assert kept <= neurons
        kept = neurons


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_turned_activations_turn_every_score_about_one_half(seed) -> None:
    X, truth = random_probing_set(seed)
    X = np.where(X == 0, 0.125, X)  # 0 is a "no" whichever way it is turned
    np.testing.assert_allclose(neuron_scores(X, truth) + neuron_scores(-X, truth), 1)


@settings(max_examples=10, deadline=None)
@given(n=st.integers(2, 400), neurons=st.integers(1, 10_000))
def test_more_neurons_never_lower_the_noise_ceiling(n, neurons) -> None:
    assert chance_maximum(n, neurons) + 1 / n >= 0.5
    assert chance_maximum(n, neurons) <= chance_maximum(n, 2 * neurons) <= 1
