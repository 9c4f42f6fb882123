"""Which read-outs are linear in one layer, and what stands for an intercept."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pictures import coloured, murky, shades
from superneurons.errors import DataError
from superneurons.export.linear import LinearHead, check_asked_once, linear_head
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


def fitted(vlm: VLM, records: list[Record], **options: Any) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm, **{"max_layer": 1, **options}).fit(records)


def lettered() -> list[Record]:
    """Records with options of their own, the right one first or last."""
    return [
        replace(record, options=(record.options or ())[:: 1 if number % 2 else -1])
        for number, record in enumerate(coloured(24, options=True))
    ]


def states(classifier: SuperNeuronClassifier, records: list[Record]) -> NDArray[np.float16]:
    from superneurons.activations.capture import capture

    captured = capture(classifier.vlm.truncated(1), records)
    return np.asarray(captured.activations[:, 0])


@pytest.mark.parametrize(
    ("options", "several"),
    [
        ({}, False),
        ({}, True),
        ({"read_out": "logistic"}, False),
        ({"read_out": "logistic"}, True),
        ({"read_out": "paper", "read_out_params": {"aggregation": "mean"}}, False),
    ],
)
def test_the_head_decides_as_the_read_out(
    llava: VLM, options: dict[str, Any], several: bool
) -> None:
    records = shades(90) if several else murky(90)
    classifier = fitted(llava, records, **options)
    head, X = linear_head(classifier), states(classifier, records)
    columns = [neuron.index for neuron in classifier.neurons_]
    expected = classifier.read_out_.predict(X[:, columns])
    found = np.array(classifier.classes_)[head.scores(X).argmax(axis=1)]
    assert found.tolist() == expected.tolist()
    assert len(set(found.tolist())) > 1


def test_one_voting_neuron_is_linear(llava: VLM) -> None:
    one = fitted(llava, murky(90), read_out="paper", read_out_params={"max_margin": 0.002})
    assert len(one.neurons_) == 1
    head = linear_head(one)
    assert np.count_nonzero(head.weight[1]) == 1
    assert not head.intercept.any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_layer": 3, "read_out_params": {"tolerance": None}}, "in 3 layers: 1, 2, 3"),
        ({"read_out": "knn"}, "'knn' is not linear"),
        ({"read_out": "savs"}, "heads, not the residual stream"),
        ({"position": "image_mean"}, "residual@image_mean"),
        ({"position": "first_generated"}, "second pass"),
    ],
)
def test_others_are_refused_with_the_reason(llava: VLM, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match="no linear head") as refused:
        linear_head(fitted(llava, murky(60), **options))
    assert any(said in problem.what for problem in refused.value.problems)


def test_all_that_stands_against_it_is_said_at_once(llava: VLM) -> None:
    with pytest.raises(DataError) as refused:
        linear_head(fitted(llava, lettered(), read_out="knn", site="mlp"))
    assert [problem.where for problem in refused.value.problems] == ["form", "site", "read_out"]


def test_options_of_each_record_are_not_one_question(llava: VLM) -> None:
    with pytest.raises(DataError, match="asks one question once"):
        check_asked_once(fitted(llava, lettered()))
    check_asked_once(fitted(llava, murky(24)))


@pytest.mark.parametrize("n_labels", [2, 3, 5])
def test_a_constant_stands_for_the_intercept(n_labels: int) -> None:
    rng = np.random.default_rng(n_labels)
    head = LinearHead(rng.normal(size=(n_labels, 12)), rng.normal(size=n_labels))
    X = rng.normal(size=(50, 12))
    moved = (X + head.absorbed()) @ head.weight.T
    apart = moved - head.scores(X)
    np.testing.assert_allclose(apart, np.repeat(apart[:, :1], n_labels, axis=1), atol=1e-9)
    # Any positive factor per record, such as a norm's, then changes no decision.
    factors = rng.uniform(0.1, 10, size=(50, 1))
    assert ((factors * moved).argmax(axis=1) == head.scores(X).argmax(axis=1)).all()


def test_without_an_intercept_nothing_is_added() -> None:
    assert not LinearHead(np.eye(3), np.zeros(3)).absorbed().any()


def test_labels_that_differ_by_an_intercept_alone_have_no_constant() -> None:
    with pytest.raises(DataError, match="No constant stands"):
        LinearHead(np.ones((2, 4)), np.array([0.0, 1.0])).absorbed()


def test_of_two_labels_a_positive_score_is_for_the_second(llava: VLM) -> None:
    classifier = fitted(llava, murky(90), read_out="logistic")
    head, X = linear_head(classifier), states(classifier, murky(90))
    columns = [neuron.index for neuron in classifier.neurons_]
    shares = classifier.read_out_.predict_proba(X[:, columns])
    scores = head.scores(X)
    np.testing.assert_allclose(scores[:, 1], -scores[:, 0], atol=1e-9)
    odds = np.log(shares[:, 1] / shares[:, 0])
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], odds, rtol=1e-3, atol=1e-3)


def test_only_the_neurons_weigh_and_nothing_that_all_labels_gain(llava: VLM) -> None:
    classifier = fitted(llava, shades(90))
    head = linear_head(classifier)
    columns = {neuron.index for neuron in classifier.neurons_}
    assert head.weight.shape == (3, llava.hidden_size)
    assert set(np.flatnonzero(np.abs(head.weight).max(axis=0))) <= columns
    np.testing.assert_allclose(head.weight.mean(axis=0), 0, atol=1e-9)
    assert abs(head.intercept.mean()) < 1e-9


def test_the_constant_is_the_shortest_there_is() -> None:
    head = LinearHead(np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), np.array([-3.0, 3.0]))
    np.testing.assert_allclose(head.absorbed(), [3.0, 0.0, 0.0], atol=1e-12)
    shifted = LinearHead(head.weight + 5.0, head.intercept + 7.0)
    np.testing.assert_allclose(shifted.absorbed(), head.absorbed(), atol=1e-9)


def test_scores_are_computed_in_double_precision() -> None:
    head = LinearHead(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1e-6, 0.0]))
    found = head.scores(np.array([[2048.0, 2048.0]], dtype=np.float16))
    assert found.dtype == np.float64
    assert found[0, 0] - found[0, 1] == pytest.approx(1e-6, rel=1e-3)


def test_pictures_seen_smaller_are_no_stock_checkpoint(llava: VLM) -> None:
    classifier = fitted(llava, murky(24))
    smaller = SimpleNamespace(
        form_="direct", resolution=64, site_=SimpleNamespace(answers_first=True)
    )
    with pytest.raises(DataError) as refused:
        check_asked_once(smaller)  # type: ignore[arg-type]
    assert [problem.where for problem in refused.value.problems] == ["resolution", "position"]
    assert "64 pixels" in refused.value.problems[0].what
    check_asked_once(classifier)
