from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scaling import fit_scale
from superneurons.probes.splits import hold_out

from .synthetic import planted

AGGREGATIONS = ["majority", "mean"]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_it_finds_the_planted_neurons_and_answers_with_them(aggregation, metric) -> None:
    X, y = planted(600, 100, strength=1.0)
    X_test, y_test = planted(600, 100, strength=1.0, seed=1)
    fitted = PaperSuperNeurons(metric=metric, aggregation=aggregation).fit(X, y)
    assert set(fitted.neurons_) <= set(range(5))
    assert fitted.score(X_test, y_test) > 0.84
    assert fitted.scores_.max() == fitted.best_score_
    assert (fitted.scores_ > fitted.threshold_).all()
    assert fitted.threshold_ == pytest.approx(fitted.best_score_ - fitted.margin_)


def test_labels_of_any_kind_come_back_and_the_second_is_the_positive_one() -> None:
    X, y = planted()
    names = np.array(["no", "yes"])[y]
    fitted = PaperSuperNeurons().fit(X, names)
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert np.mean(fitted.predict(X) == names) > 0.9
    np.testing.assert_array_equal(fitted.decision_function(X) > 0, fitted.predict(X) == "yes")


def test_a_tie_of_votes_is_a_no() -> None:
    X, y = planted(100, 2, informative=2, strength=50)
    fitted = PaperSuperNeurons().fit(X, y)
    assert fitted.n_neurons_ == 2
    assert fitted.decision_function([[1.0, -1.0]]).tolist() == [0.0]
    assert fitted.predict([[1.0, -1.0], [1.0, 1.0]]).tolist() == [0, 1]


def test_no_polarity_is_learnt_as_in_the_paper() -> None:
    X, y = planted(200, 5)
    fitted = PaperSuperNeurons().fit(-X, y)
    assert fitted.best_score_ < 0.5


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), grouped=st.booleans())
def test_the_order_of_samples_changes_nothing(aggregation, seed, grouped) -> None:
    X, y = planted(80, 20, strength=0.4, seed=seed)
    groups = np.arange(80) // 4 if grouped else None
    order = np.random.default_rng(seed).permutation(80)
    model = PaperSuperNeurons(aggregation=aggregation)
    one = model.fit(X, y, groups).get_state()
    other = model.fit(X[order], y[order], groups[order] if grouped else None).get_state()
    np.testing.assert_array_equal(one.arrays["neurons_"], other.arrays["neurons_"])
    scales = one.values["scale_"], other.values["scale_"]
    assert scales[0] == pytest.approx(scales[1], rel=1e-4)
    assert one.values["threshold_"] == other.values["threshold_"]


def test_the_probing_set_in_float16_gives_what_it_gives_in_float32() -> None:
    X, y = planted(200, 40, dtype=np.float16)
    half, single = (PaperSuperNeurons().fit(A, y) for A in (X, X.astype(np.float32)))
    np.testing.assert_array_equal(half.neurons_, single.neurons_)
    np.testing.assert_array_equal(half.predict(X), single.predict(X))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_answers_do_not_depend_on_the_batch(aggregation) -> None:
    X, y = planted(120, 300, strength=0.3, informative=200)
    fitted = PaperSuperNeurons(aggregation=aggregation, max_margin=0.2).fit(X, y)
    assert fitted.n_neurons_ > 10
    one_by_one = np.concatenate([fitted.decision_function(row[None]) for row in X])
    np.testing.assert_array_equal(fitted.decision_function(X), one_by_one)


def test_constant_and_repeated_columns_do_no_harm() -> None:
    X, y = planted(200, 30)
    wide = np.concatenate([X, np.zeros((200, 3)), np.ones((200, 3)), X], axis=1)
    fitted, plain = (PaperSuperNeurons().fit(A, y, groups=np.arange(200)) for A in (wide, X))
    np.testing.assert_array_equal(
        fitted.neurons_, np.concatenate([plain.neurons_, plain.neurons_ + 36])
    )


def test_a_wide_margin_lets_more_neurons_in_and_the_held_out_part_decides() -> None:
    # One neuron is a little better than fifty others, which together are much better.
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    X = rng.normal(size=(2000, 51)) + 0.55 * (2 * y[:, None] - 1)
    X[:, 0] += 0.1 * (2 * y - 1)
    wide = PaperSuperNeurons(max_margin=0.1).fit(X, y)
    narrow = PaperSuperNeurons(max_margin=0.001).fit(X, y)
    assert narrow.n_neurons_ < 5 < 40 < wide.n_neurons_
    assert wide.selection_score_ > narrow.selection_score_ + 0.1


def test_probabilities_are_of_use() -> None:
    X, y = planted(2000, 40, strength=0.6)
    X_test, y_test = planted(2000, 40, strength=0.6, seed=1)
    p = PaperSuperNeurons().fit(X, y).predict_proba(X_test)[:, 1]
    for low, high in [(0.0, 0.35), (0.65, 1.0)]:
        inside = (p >= low) & (p <= high)
        assert inside.sum() > 200
        assert abs(p[inside].mean() - y_test[inside].mean()) < 0.08


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("metric", "auc"),
        ("aggregation", "median"),
        ("max_margin", 0.0),
        ("margin_step", 0.1),
        ("selection_size", 1.0),
    ],
)
def test_a_parameter_out_of_range_is_named(parameter, value) -> None:
    X, y = planted()
    with pytest.raises(DataError, match=f"{parameter}: {value!r}"):
        PaperSuperNeurons(**{parameter: value}).fit(X, y)


def test_more_than_two_classes_are_refused() -> None:
    X, y = planted(classes=3)
    with pytest.raises(DataError, match="Only binary classification"):
        PaperSuperNeurons().fit(X, y)


@pytest.mark.parametrize(
    ("most", "step", "steps"), [(0.03, 0.01, 3), (0.03, 0.001, 30), (0.3, 0.1, 3), (0.05, 0.02, 2)]
)
def test_margins_are_whole_steps_up_to_the_widest(most, step, steps) -> None:
    margins = PaperSuperNeurons(max_margin=most, margin_step=step)._margins()
    np.testing.assert_allclose(margins, [step * (i + 1) for i in range(steps)])


def test_scores_are_those_of_the_whole_probing_set() -> None:
    X, y = planted(120, 30, strength=0.8)
    for metric in ("accuracy", "f1"):
        fitted = PaperSuperNeurons(metric=metric, max_margin=0.2).fit(X, y)
        says, is_so = X[:, fitted.neurons_] > 0, y[:, None] == 1
        if metric == "accuracy":
            expected = (says == is_so).mean(axis=0)
        else:
            expected = 2 * (says & is_so).sum(axis=0) / (says.sum(axis=0) + is_so.sum())
        np.testing.assert_allclose(fitted.scores_, expected)
        assert fitted.neurons_.dtype == np.int64
        assert fitted.n_neurons_ == len(fitted.scores_)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_scale_is_fitted_on_what_the_other_part_chose(aggregation) -> None:
    X, y = planted(160, 25, strength=0.5, dtype=np.float64)
    fitted = PaperSuperNeurons(aggregation=aggregation, max_margin=0.1).fit(X, y)
    held = hold_out(X, y, None, size=0.25, seed=0)
    on_part = ((X[~held] > 0) == (y[~held, None] == 1)).mean(axis=0)
    best = np.argsort(-on_part, kind="stable")[: fitted.n_neurons_]
    opinions = np.where(X > 0, 0.5, -0.5) if aggregation == "majority" else X
    decision = opinions[held][:, best].mean(axis=1)
    assert fitted.scale_ == pytest.approx(fit_scale(decision, y[held] == 1), rel=1e-5)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_columns_come_in_blocks_and_that_changes_nothing(aggregation, monkeypatch) -> None:
    X, y = planted(100, 50, strength=0.4, informative=40, dtype=np.float64)
    whole = PaperSuperNeurons(aggregation=aggregation, max_margin=0.2).fit(X, y)
    monkeypatch.setattr("superneurons.probes.paper._COLUMNS_AT_ONCE", 7)
    blocks = PaperSuperNeurons(aggregation=aggregation, max_margin=0.2).fit(X, y)
    assert blocks.neurons_.tolist() == whole.neurons_.tolist()
    assert (blocks.margin_, blocks.selection_score_) == (whole.margin_, whole.selection_score_)
    assert blocks.scale_ == pytest.approx(whole.scale_, rel=1e-6)


@pytest.mark.parametrize(("size", "held"), [(0.1, 4), (0.25, 10), (0.5, 20)])
def test_the_share_held_out_is_the_one_asked_for(size, held) -> None:
    # The selection score counts samples of the held-out part: so many of each class.
    X, y = planted(80, 20, strength=0.3)
    found = PaperSuperNeurons(selection_size=size).fit(X, y).selection_score_ * 2 * held
    assert found == pytest.approx(round(found))


def test_a_probability_is_the_scaled_decision_s() -> None:
    X, y = planted(100, 20)
    fitted = PaperSuperNeurons(aggregation="mean").fit(X, y)
    odds = np.log(fitted.predict_proba(X)[:, 1] / fitted.predict_proba(X)[:, 0])
    np.testing.assert_allclose(odds, fitted.scale_ * fitted.decision_function(X), rtol=1e-6)
