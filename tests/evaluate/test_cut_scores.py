from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.evaluate.cut_scores import cut_scores, shuffled_cut_maximum
from superneurons.evaluate.null import shuffled_labels


def by_trying(column: np.ndarray, positive: np.ndarray) -> float:
    """Balanced accuracy at the best of all cuts, in both directions, the plain way."""
    best = 0.5
    for cut in [-np.inf, *column]:
        above = column > cut
        recall = above[positive].mean(), (~above)[~positive].mean()
        best = max(best, np.mean(recall), 1 - np.mean(recall))
    return float(best)


@st.composite
def tasks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n, classes = draw(st.integers(4, 24)), draw(st.integers(2, 4))
    codes = np.concatenate([np.arange(classes), rng.integers(classes, size=n)])
    states = rng.normal(size=(len(codes), draw(st.integers(1, 3)), draw(st.integers(1, 4))))
    if draw(st.booleans()):
        states = np.round(states)  # many are equal
    kind = draw(st.sampled_from([np.float16, np.float32]))
    return states.astype(kind), codes.astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(task=tasks())
def test_each_neuron_is_scored_at_the_best_of_all_its_cuts(
    task: tuple[np.ndarray, np.ndarray],
) -> None:
    states, codes = task
    found = cut_scores(states, codes)
    assert found.dtype == np.float32
    classes = [1] if codes.max() == 1 else list(range(codes.max() + 1))
    for layer in range(states.shape[1]):
        for column in range(states.shape[2]):
            values = states[:, layer, column].astype(np.float64)
            expected = max(by_trying(values, codes == c) for c in classes)
            assert found[layer, column] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(task=tasks(), seed=st.integers(0, 9))
def test_a_shuffle_gives_what_scoring_its_labels_gives(
    task: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    states, codes = task
    n, classes = 3, int(codes.max()) + 1
    found = shuffled_cut_maximum(states, codes, n, seed=seed)
    dealt = [shuffled_labels(codes == c, n_shuffles=n, seed=seed) for c in range(classes)]
    for shuffle in range(n):
        again = np.argmax([one[shuffle] for one in dealt], axis=0)
        assert np.bincount(again).tolist() == np.bincount(codes).tolist()
        assert found[shuffle] == pytest.approx(float(cut_scores(states, again).max()))


def test_many_neurons_and_unequal_labels_are_no_exception() -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(300, 2, 400)).astype(np.float16)
    codes = (np.arange(300) < 70).astype(np.int64)
    found = shuffled_cut_maximum(states, codes, 5, seed=1)
    dealt = shuffled_labels(codes, n_shuffles=5, seed=1)
    expected = [cut_scores(states, one.astype(np.int64)).max() for one in dealt]
    np.testing.assert_allclose(found, expected)


def test_what_is_there_stands_out_and_what_is_not_does_not() -> None:
    rng = np.random.default_rng(0)
    codes = np.arange(200) % 2
    states = rng.normal(size=(200, 3, 100)).astype(np.float32)
    null = shuffled_cut_maximum(states, codes, 60)
    assert np.quantile(null, 0.02) <= cut_scores(states, codes).max() <= np.quantile(null, 0.98)
    states[:, 1, 7] -= 2 * codes
    scores = cut_scores(states, codes)
    assert divmod(int(scores.argmax()), 100) == (1, 7)
    assert scores.max() > shuffled_cut_maximum(states, codes, 60).max() + 0.1


def test_questions_of_one_picture_exchange_their_labels_together() -> None:
    """Neurons that know only the picture would beat chance if its labels were torn apart."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    codes = np.repeat(rng.permutation(np.arange(40) % 2), 5)
    states = np.repeat(rng.normal(size=(40, 1, 60)), 5, axis=0).astype(np.float32)
    whole = shuffled_cut_maximum(states, codes, 40, groups=groups)
    torn = shuffled_cut_maximum(states, codes, 40)
    assert np.median(whole) > np.median(torn) + 0.05
    assert cut_scores(states, codes).max() < np.quantile(whole, 0.99) + 0.01


@pytest.mark.parametrize(
    ("shape", "codes", "n", "said"),
    [
        ((6, 2), [0, 1] * 3, 1, "shape .6, 2."),
        ((6, 2, 2), [0, 1] * 2, 1, "classes of shape .4,."),
        ((6, 2, 2), [0, 1] * 3, 0, "0 shuffles"),
        ((6, 2, 2), [1] * 6, 1, "one class"),
    ],
)
def test_what_cannot_be_shuffled_is_refused(
    shape: tuple[int, ...], codes: list[int], n: int, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        shuffled_cut_maximum(np.zeros(shape, np.float32), np.array(codes), n)


@settings(max_examples=20, deadline=None)
@given(task=tasks(), seed=st.integers(0, 9))
def test_what_keeps_the_order_of_activations_changes_nothing(
    task: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    """Scaling, shifting, turning round, and neurons in another order: cuts see ranks only."""
    states, codes = task
    single = states.astype(np.float32)
    scores = cut_scores(single, codes)
    null = shuffled_cut_maximum(single, codes, 4, seed=seed)
    for changed in (single * 4 + 8, -single):
        np.testing.assert_allclose(cut_scores(changed, codes), scores)
        np.testing.assert_allclose(shuffled_cut_maximum(changed, codes, 4, seed=seed), null)
    mixed = single[:, ::-1, ::-1].copy()
    np.testing.assert_array_equal(cut_scores(mixed, codes), scores[::-1, ::-1])
    np.testing.assert_allclose(shuffled_cut_maximum(mixed, codes, 4, seed=seed), null)
    assert (scores >= 0.5).all()
    assert (null <= 1).all()


def test_more_neurons_than_fit_at_once_are_all_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codes = np.arange(40) % 2
    states = rng.normal(size=(40, 2, 11)).astype(np.float32)
    whole = shuffled_cut_maximum(states, codes, 8)
    parts = [shuffled_cut_maximum(states[:, :, [k]], codes, 8) for k in range(11)]
    np.testing.assert_allclose(whole, np.max(parts, axis=0))
    monkeypatch.setattr("superneurons.evaluate.cut_scores._COLUMNS_AT_ONCE", 4)
    np.testing.assert_array_equal(shuffled_cut_maximum(states, codes, 8), whole)
