from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from superneurons.errors import DataError
from superneurons.evaluate.calibration import expected_calibration_error
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.task.labels import DataWarning

from .synthetic import planted


@pytest.mark.parametrize("classes", [2, 4])
def test_it_finds_the_planted_neurons_and_answers_with_them(classes) -> None:
    X, y = planted(400, 300, classes=classes, strength=1.5)
    X_test, y_test = planted(1000, 300, classes=classes, strength=1.5, seed=1)
    fitted = SuperNeurons().fit(X, y)
    assert set(range(5)) <= set(fitted.neurons_)
    assert fitted.n_neurons_ < 100
    knows_which = LinearDiscriminantAnalysis().fit(X[:, :5], y)
    accuracy = fitted.score(X_test, y_test)
    assert accuracy > knows_which.score(X_test[:, :5], y_test) - 0.03
    assert accuracy == pytest.approx(fitted.cv_score_, abs=0.05)


def test_neurons_that_say_no_count_as_much_as_those_that_say_yes() -> None:
    X, y = planted(300, 50)
    X[:, :3] *= -1
    fitted = SuperNeurons(max_neurons=5).fit(X, y)
    assert fitted.score(X, y) > 0.98
    sign = dict(zip(fitted.neurons_.tolist(), np.sign(fitted.coef_[:, 0]), strict=True))
    assert [sign[d] for d in range(5)] == [-1, -1, -1, 1, 1]
    assert PaperSuperNeurons().fit(X, y).score(X, y) < fitted.score(X, y)


def test_each_neuron_has_its_own_threshold_and_unit() -> None:
    X, y = planted(300, 40)
    rng = np.random.default_rng(0)
    moved = X * rng.uniform(0.01, 100, size=40) + rng.normal(scale=1000, size=40)
    plain, other = (SuperNeurons().fit(A, y, groups=np.arange(300)) for A in (X, moved))
    assert np.mean(plain.predict(X) == other.predict(moved)) > 0.99


def test_suppressors_are_used_which_single_neurons_cannot_show() -> None:
    # Two neurons: answer + nuisance, and nuisance alone, which by itself knows nothing.
    rng = np.random.default_rng(0)
    y, nuisance = rng.integers(0, 2, 600), rng.normal(scale=5, size=600)
    X = rng.normal(size=(600, 30))
    X[:, 0] = y + nuisance + 0.1 * rng.normal(size=600)
    X[:, 1] = nuisance
    fitted = SuperNeurons(max_neurons=3).fit(X[:400], y[:400])
    assert {0, 1} <= set(fitted.neurons_)
    assert fitted.score(X[400:], y[400:]) > 0.95
    assert PaperSuperNeurons().fit(X[:400], y[:400]).score(X[400:], y[400:]) < 0.75


def test_it_keeps_up_with_logistic_regression_on_few_labels() -> None:
    accuracy = []
    for seed in range(4):
        X, y = planted(80, 400, informative=60, strength=0.3, seed=seed)
        X_test, y_test = planted(1000, 400, informative=60, strength=0.3, seed=seed + 100)
        rivals = SuperNeurons(), LogisticRegression(C=0.1, max_iter=1000)
        accuracy.append([rival.fit(X, y).score(X_test, y_test) for rival in rivals])
    ours, theirs = np.mean(accuracy, axis=0)
    assert ours > theirs - 0.015


@pytest.mark.parametrize("classes", [2, 3])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), grouped=st.booleans())
def test_the_order_of_samples_changes_nothing(classes, seed, grouped) -> None:
    X, y = planted(90, 70, classes=classes, strength=0.6, seed=seed)
    groups = np.arange(90) // 3 if grouped else None
    order = np.random.default_rng(seed).permutation(90)
    one = SuperNeurons().fit(X, y, groups).get_state()
    other = SuperNeurons().fit(X[order], y[order], groups[order] if grouped else None).get_state()
    np.testing.assert_array_equal(one.arrays["neurons_"], other.arrays["neurons_"])
    np.testing.assert_allclose(one.arrays["coef_"], other.arrays["coef_"], rtol=1e-3, atol=1e-6)


def test_more_samples_than_choose_the_neurons(monkeypatch) -> None:
    monkeypatch.setattr("superneurons.probes.super_neurons._MOST_CHOOSING", 100)
    X, y = planted(400, 60)
    fitted = SuperNeurons().fit(X, y)
    assert set(range(5)) <= set(fitted.neurons_)
    assert fitted.score(X, y) > 0.98


def test_no_more_neurons_than_allowed_and_none_that_are_constant() -> None:
    X, y = planted(100, 40, strength=0.2)
    X[:, 30:] = 3
    assert SuperNeurons(max_neurons=7).fit(X, y).n_neurons_ <= 7
    assert SuperNeurons().fit(X, y).neurons_.max() < 30


def test_constant_neurons_alone_give_the_most_frequent_class() -> None:
    X, y = np.ones((30, 4)), np.repeat([0, 1], [10, 20])
    with pytest.warns(DataWarning, match="30 of 30 samples"):
        fitted = SuperNeurons().fit(X, y, groups=np.arange(30))
    np.testing.assert_allclose(fitted.predict_proba(X[:1]), [[1 / 3, 2 / 3]], atol=0.02)


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_calibrated_on_new_samples(classes) -> None:
    X, y = planted(800, 200, classes=classes, strength=0.5)
    X_test, y_test = planted(4000, 200, classes=classes, strength=0.5, seed=1)
    p = SuperNeurons().fit(X, y).predict_proba(X_test)
    assert 1.5 / classes < p.max(axis=1).mean() < 0.95
    assert expected_calibration_error(p, y_test) < 0.06


def test_on_noise_it_knows_that_it_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2000)), np.arange(200) % 2
    fitted = SuperNeurons().fit(X, y)
    assert abs(fitted.cv_score_ - 0.5) < 0.12
    assert fitted.predict_proba(rng.normal(size=(500, 2000))).max(axis=1).mean() < 0.65


def test_groups_keep_twins_from_teaching_each_other() -> None:
    # Each picture has its own fingerprint and a label of its own: nothing carries over.
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(60, 100)), 4, axis=0) + 0.01 * rng.normal(size=(240, 100))
    y, groups = np.repeat(rng.permutation(np.arange(60) % 2), 4), np.repeat(np.arange(60), 4)
    assert SuperNeurons().fit(X, y).cv_score_ > 0.9
    assert SuperNeurons().fit(X, y, groups).cv_score_ < 0.7


@pytest.mark.parametrize(("parameter", "value"), [("max_neurons", 0), ("n_folds", 1)])
def test_a_parameter_out_of_range_is_named(parameter, value) -> None:
    X, y = planted()
    with pytest.raises(DataError, match=f"{parameter}: {value!r}"):
        SuperNeurons(**{parameter: value}).fit(X, y)


def test_a_class_in_one_group_is_refused_by_its_name() -> None:
    X, _ = planted(20)
    y = np.repeat(["no", "yes"], [19, 1])
    with pytest.raises(DataError, match="class 'yes': in 1 group only"):
        SuperNeurons().fit(X, y)
