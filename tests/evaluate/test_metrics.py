from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from superneurons.errors import DataError
from superneurons.evaluate.metrics import answer_counts, bootstrap_units, rates, score

LABELS = ["no", "yes", "maybe"]


@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=6, max_size=60),
    n_classes=st.integers(2, 3),
)
def test_values_are_those_of_scikit_learn(pairs, n_classes) -> None:
    classes = LABELS[:n_classes]
    true = [classes[t % n_classes] for t, _ in pairs] + classes
    given_ = [classes[g % n_classes] for _, g in pairs] + classes
    scores = score(true, given_, classes=classes)
    assert scores.n == len(true)
    assert scores.accuracy == pytest.approx(accuracy_score(true, given_))
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, given_))
    f1 = (
        f1_score(true, given_, pos_label="yes")
        if n_classes == 2
        else f1_score(true, given_, average="macro")
    )
    assert scores.f1 == pytest.approx(f1)
    for value, (low, high) in [
        (scores.accuracy, scores.accuracy_interval),
        (scores.balanced_accuracy, scores.balanced_accuracy_interval),
    ]:
        assert 0 <= low <= value + 0.2
        assert value - 0.2 <= high <= 1


def test_an_answer_that_is_no_label_is_wrong_and_nobodys_claim() -> None:
    scores = score(["no", "yes", "yes"], ["", "yes", "dunno"], classes=["no", "yes"])
    assert scores.accuracy == pytest.approx(1 / 3)
    assert scores.recall == {"no": 0.0, "yes": 0.5}
    assert scores.f1 == pytest.approx(2 / 3)


def test_a_class_that_does_not_occur_counts_for_nothing() -> None:
    scores = score(["no", "yes"], ["no", "yes"], classes=LABELS)
    assert scores.balanced_accuracy == scores.f1 == 1
    assert scores.recall == {"no": 1.0, "yes": 1.0}


def test_always_no_on_a_skewed_task_is_exposed() -> None:
    true = ["no"] * 85 + ["yes"] * 15
    scores = score(true, ["no"] * 100, classes=["no", "yes"])
    assert scores.accuracy == scores.majority == 0.85
    assert scores.balanced_accuracy == 0.5
    assert scores.f1 == 0


def simulated(seed: int, n_groups: int, size: int, alike: bool):
    """Answers right with probability 0.8, per sample or per group of samples."""
    rng = np.random.default_rng(seed)
    right = rng.random(n_groups if alike else n_groups * size) < 0.8
    right = np.repeat(right, size) if alike else right
    true = rng.integers(0, 2, n_groups * size)
    given_ = np.where(right, true, 1 - true)
    return true.tolist(), given_.tolist(), np.repeat(np.arange(n_groups), size).tolist()


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_cover_the_truth_about_nineteen_times_in_twenty(grouped) -> None:
    covered = {"accuracy": 0, "balanced_accuracy": 0}
    for seed in range(100):
        true, given_, groups = simulated(seed, 80, 3, alike=grouped)
        scores = score(true, given_, classes=[0, 1], groups=groups if grouped else None)
        for name in covered:
            low, high = getattr(scores, f"{name}_interval")
            covered[name] += low <= 0.8 <= high
    assert all(85 <= count <= 100 for count in covered.values())


def test_groups_that_agree_widen_the_intervals() -> None:
    true, given_, groups = simulated(0, 100, 4, alike=True)
    alone = score(true, given_, classes=[0, 1])
    together = score(true, given_, classes=[0, 1], groups=groups)
    for name in ("accuracy_interval", "balanced_accuracy_interval", "f1_interval"):
        (a, b), (c, d) = getattr(alone, name), getattr(together, name)
        assert d - c > 1.5 * (b - a)


def test_groups_of_one_are_no_groups() -> None:
    true, given_, _ = simulated(0, 50, 1, alike=False)
    names = [f"g{i}" for i in range(50)]
    plain, grouped = (score(true, given_, classes=[0, 1], groups=g) for g in (None, names))
    assert plain == grouped


def test_order_of_samples_changes_nothing() -> None:
    true, given_, groups = simulated(0, 60, 2, alike=False)
    order = np.random.default_rng(0).permutation(120)
    shuffled = [[values[i] for i in order] for values in (true, given_, groups)]
    one = score(true, given_, classes=[0, 1], groups=groups)
    assert one == score(*shuffled[:2], classes=[0, 1], groups=shuffled[2])


def test_probabilities_bring_calibration() -> None:
    p = [[0.9, 0.1], [0.2, 0.8]]
    scores = score(["no", "yes"], ["no", "yes"], classes=["no", "yes"], probabilities=p)
    assert scores.ece == pytest.approx(0.15)
    assert scores.brier == pytest.approx((0.01 + 0.04) / 2)
    assert score(["no", "yes"], ["no", "yes"], classes=["no", "yes"]).ece is None


def test_as_dict_is_json() -> None:
    scores = score(["no", "yes"], ["no", "no"], classes=["no", "yes"])
    values = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert values == scores.as_dict()
    assert values["accuracy_interval"] == list(scores.accuracy_interval)


def test_rates_by_hand() -> None:
    # 3 of 4 "no" right; 1 of 2 "yes" right, the other one unparsed.
    true, given_ = ["no"] * 4 + ["yes"] * 2, ["no", "no", "no", "yes", "yes", "?"]
    counts = answer_counts(true, given_, classes=["no", "yes"])
    assert counts.sum(axis=0).tolist() == [4, 2, 3, 1, 3, 2]
    accuracy, balanced, f1 = rates(counts.sum(axis=0, keepdims=True))
    assert accuracy == pytest.approx(4 / 6)
    assert balanced == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert f1 == pytest.approx(2 / (2 + 1 + 1))


def test_units_are_groups_where_there_are_any() -> None:
    counts, codes = np.array([[1, 0], [0, 1], [2, 2]]), np.array([0, 1, 1])
    units, strata = bootstrap_units(counts, codes, ["a", "b", "a"])
    assert units.tolist() == [[3, 2], [0, 1]]
    assert strata.tolist() == [0, 0]
    assert bootstrap_units(counts, codes, None)[1] is codes


def test_a_thousand_classes_are_no_trouble() -> None:
    true = list(range(1000)) * 2
    scores = score(true, true, classes=range(1000))
    assert scores.balanced_accuracy == 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"y_true": [], "y_pred": []}, "at least one"),
        ({"y_true": ["no"], "y_pred": ["no", "yes"]}, "as many"),
        ({"y_true": ["no"], "y_pred": ["no"], "groups": [1, 2]}, "'groups': 2"),
        ({"y_true": ["no", "NO"], "y_pred": ["no", "no"]}, "sample 1: 'NO'"),
        ({"y_true": ["no"], "y_pred": ["no"], "probabilities": [[1.0]]}, "shape"),
        ({"y_true": ["no"], "y_pred": ["no"], "probabilities": [[1.5, 0]]}, "range"),
        ({"y_true": ["no"], "y_pred": ["no"], "probabilities": [[np.nan, 0]]}, "range"),
    ],
)
def test_bad_input_is_refused(kwargs, message) -> None:
    with pytest.raises(DataError, match=message):
        score(classes=["no", "yes"], **kwargs)


RATES = ["accuracy", "balanced_accuracy", "f1"]


@settings(max_examples=30, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
def test_every_value_and_interval_is_a_share(pairs, seed) -> None:
    names = [*LABELS, "no answer"]
    true, given_ = [LABELS[t] for t, _ in pairs], [names[g] for _, g in pairs]
    scores = score(true, given_, classes=LABELS, seed=seed)
    low, high = scores.accuracy_interval
    assert low <= scores.accuracy <= high
    for rate in RATES:
        low, high = getattr(scores, f"{rate}_interval")
        assert 0 <= low <= high <= 1
        assert 0 <= getattr(scores, rate) <= 1
    assert set(scores.recall) == set(true)
    assert scores.balanced_accuracy == pytest.approx(np.mean(list(scores.recall.values())))
    assert scores.majority == max(true.count(label) for label in LABELS) / len(true)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 40), seed=st.integers(0, 999))
def test_one_wrong_answer_put_right_lowers_nothing(n, seed) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 2, n).tolist()
    given_ = rng.integers(0, 2, n).tolist()
    wrong = [i for i in range(n) if true[i] != given_[i]]
    before = score(true, given_, classes=[0, 1])
    for i in wrong[:3]:
        mended = [true[i] if j == i else answer for j, answer in enumerate(given_)]
        after = score(true, mended, classes=[0, 1])
        assert after.accuracy > before.accuracy
        assert after.balanced_accuracy > before.balanced_accuracy
        assert after.f1 >= before.f1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), grouped=st.booleans())
def test_names_of_classes_and_groups_do_not_matter(seed, grouped) -> None:
    true, given_, groups = simulated(seed, 15, 2, alike=False)
    names = ["no", "so – so, or: so"]
    one = score(true, given_, classes=[0, 1], groups=groups if grouped else None)
    other = score(
        [names[t] for t in true],
        [names[g] for g in given_],
        classes=names,
        groups=[f"bild {g}" for g in groups] if grouped else None,
    )
    for rate in RATES:
        assert getattr(one, rate) == getattr(other, rate)
        if not grouped:
            interval = f"{rate}_interval"
            assert getattr(one, interval) == getattr(other, interval)


@pytest.mark.parametrize("right", [True, False])
def test_one_class_only_has_scores_and_no_nan(right) -> None:
    scores = score(["yes"] * 9, ["yes" if right else "no"] * 9, classes=["no", "yes"])
    assert scores.accuracy == scores.balanced_accuracy == scores.f1 == float(right)
    assert scores.majority == 1
    assert scores.balanced_accuracy_interval == (float(right), float(right))
    json.dumps(scores.as_dict(), allow_nan=False)


def test_the_f1_of_two_classes_hangs_on_which_is_the_positive_one() -> None:
    true, given_ = ["no"] * 8 + ["yes"] * 2, ["no"] * 8 + ["no", "yes"]
    forward, backward = (score(true, given_, classes=c) for c in (["no", "yes"], ["yes", "no"]))
    assert forward.f1 == pytest.approx(2 / 3)
    assert backward.f1 == pytest.approx(16 / 17)
    assert forward.balanced_accuracy == backward.balanced_accuracy
