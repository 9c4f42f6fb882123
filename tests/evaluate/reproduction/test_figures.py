from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from superneurons.errors import DataError
from superneurons.evaluate.metrics import score
from superneurons.evaluate.reproduction.figures import Figure, Figures, figures_of, whole_of

CLASSES = ("no", "yes")
NAMES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")


def answers(n: int, seed: int) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.3
    given = np.where(rng.random(n) < 0.25, ~truth, truth)
    return [CLASSES[int(t)] for t in truth], [CLASSES[int(g)] for g in given]


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    truth, given = answers(80, seed)
    found = figures_of(truth, given, classes=CLASSES, groups=range(80))
    assert found.accuracy.value == pytest.approx(np.mean(np.array(truth) == np.array(given)))
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(truth, given))
    assert found.precision.value == pytest.approx(precision_score(truth, given, pos_label="yes"))
    assert found.recall.value == pytest.approx(recall_score(truth, given, pos_label="yes"))
    assert found.f1.value == pytest.approx(f1_score(truth, given, pos_label="yes"))
    assert (found.n, found.positives) == (80, truth.count("yes"))


def test_intervals_hold_their_values() -> None:
    truth, given = answers(80, 3)
    found = figures_of(truth, given, classes=CLASSES, groups=range(80))
    for name in NAMES:
        figure: Figure = getattr(found, name)
        low, high = figure.interval
        assert 0 <= low < figure.value < high <= 1


def test_intervals_hold_the_true_rate_as_often_as_they_say() -> None:
    """Precision of 0.6 and recall of 0.75 exactly: 95 % of the intervals hold them, about."""
    rng, held = np.random.default_rng(0), []
    for draw in range(60):
        truth = np.repeat([True, False], 100)
        given = np.concatenate([rng.random(100) < 0.75, rng.random(100) < 0.5])
        words = [[CLASSES[int(v)] for v in values] for values in (truth, given)]
        found = figures_of(*words, classes=CLASSES, groups=range(200), seed=draw)
        held.append(found.precision.interval[0] <= 0.6 <= found.precision.interval[1])
        held.append(found.recall.interval[0] <= 0.75 <= found.recall.interval[1])
    assert 0.88 <= np.mean(held) <= 1


def test_questions_of_one_group_widen_the_intervals() -> None:
    truth, given = answers(40, 0)
    alone = figures_of(truth * 5, given * 5, classes=CLASSES, groups=range(200))
    groups = list(range(40)) * 5
    together = figures_of(truth * 5, given * 5, classes=CLASSES, groups=groups)
    for name in NAMES:
        ends = [getattr(found, name).interval for found in (alone, together)]
        assert ends[1][1] - ends[1][0] > ends[0][1] - ends[0][0], name
        assert getattr(alone, name).value == getattr(together, name).value


def test_without_a_yes_there_is_no_precision() -> None:
    found = figures_of(["no", "yes"] * 4, ["no"] * 8, classes=CLASSES, groups=range(8))
    assert found.precision.value == found.recall.value == found.f1.value == 0
    assert found.balanced_accuracy.value == 0.5


def test_an_answer_that_is_no_label_is_wrong() -> None:
    found = figures_of(["no", "yes"] * 4, ["", "yes"] * 4, classes=CLASSES, groups=range(8))
    assert found.accuracy.value == 0.5
    assert found.precision.value == found.recall.value == 1


def test_an_unknown_right_label_is_refused() -> None:
    with pytest.raises(DataError, match="among the classes"):
        figures_of(["maybe"], ["no"], classes=CLASSES, groups=range(1))


def test_of_whole_questions_accuracies_are_kept() -> None:
    scores = score(list("abc"), list("abb"), classes=list("abc"))
    found = whole_of(scores)
    assert (found.n, found.accuracy.value) == (3, pytest.approx(2 / 3))
    assert found.accuracy.interval == scores.accuracy_interval
    assert found.balanced_accuracy.interval == scores.balanced_accuracy_interval


def test_figures_can_be_compared() -> None:
    truth, given = answers(20, 0)
    one, two = (figures_of(truth, given, classes=CLASSES, groups=range(20)) for _ in range(2))
    assert isinstance(one, Figures)
    assert one == two


def test_one_claim_and_one_positive_are_a_whole_share() -> None:
    """A single "yes" that is right is a precision and a recall of 1, and not of a half."""
    found = figures_of(list("nnny"), list("nnny"), classes=("n", "y"), groups=range(4))
    assert (found.precision.value, found.recall.value, found.f1.value) == (1, 1, 1)
    never = figures_of(list("nnny"), list("nnnn"), classes=("n", "y"), groups=range(4))
    assert (never.precision.value, never.recall.value, never.f1.value) == (0, 0, 0)
    claimed = figures_of(list("nnny"), list("ynnn"), classes=("n", "y"), groups=range(4))
    assert (claimed.precision.value, claimed.accuracy.value) == (0, 0.5)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(30)), seed=st.integers(0, 9))
def test_the_order_of_questions_changes_no_figure(order: list[int], seed: int) -> None:
    truth, given_ = answers(30, 1)
    groups = [i // 2 for i in range(30)]
    straight = figures_of(truth, given_, classes=CLASSES, groups=groups, seed=seed)
    mixed = [[values[i] for i in order] for values in (truth, given_)]
    found = figures_of(*mixed, classes=CLASSES, groups=[groups[i] for i in order], seed=seed)
    assert found == straight


def test_the_positive_class_is_the_second_whatever_it_is_called() -> None:
    truth, given_ = answers(40, 2)
    named = figures_of(truth, given_, classes=CLASSES, groups=range(40))
    turned = figures_of(truth, given_, classes=("yes", "no"), groups=range(40))
    assert turned.positives == 40 - named.positives
    assert turned.accuracy.value == named.accuracy.value
    assert turned.recall.value == pytest.approx(recall_score(truth, given_, pos_label="no"))
    assert turned.precision.value == pytest.approx(precision_score(truth, given_, pos_label="no"))
