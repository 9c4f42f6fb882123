"""Votes as a module decide as the read-out does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from superneurons.errors import DataError
from superneurons.export.votes import Votes, votes_of
from superneurons.probes.registry import make_read_out


def data(n_labels: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(n_labels)
    codes = np.arange(240) % n_labels
    X = rng.normal(size=(240, 12)) * 3
    X[:, 2] += 3 * codes - 1.5
    X[:, 5] -= 2 * codes
    return X.astype(np.float16), np.array(["a", "b", "c"])[codes]


@pytest.mark.parametrize(
    ("name", "parameters", "n_labels"),
    [
        ("super-neurons", {}, 2),
        ("super-neurons", {}, 3),
        ("logistic", {}, 2),
        ("logistic", {}, 3),
        ("paper", {}, 2),
        ("paper", {"max_margin": 0.4}, 2),
        ("paper", {"aggregation": "mean", "max_margin": 0.4}, 2),
    ],
)
def test_labels_and_probabilities_are_the_same(
    name: str, parameters: dict[str, Any], n_labels: int
) -> None:
    X, y = data(n_labels)
    read_out = make_read_out(name, **parameters).fit(X, y)
    compact = read_out.compact()
    inside = torch.from_numpy(X[:, read_out.neurons_].astype(np.float32))
    with torch.inference_mode():
        scores = votes_of(compact)(inside)
    expected = compact.predict_proba(X[:, read_out.neurons_])
    np.testing.assert_allclose(scores.softmax(dim=1).numpy(), expected, atol=1e-4)
    assert compact.classes_[scores.argmax(dim=1).numpy()].tolist() == (
        compact.predict(X[:, read_out.neurons_]).tolist()
    )


def test_a_tie_is_the_first_label() -> None:
    X, y = data(2)
    read_out = make_read_out("paper", max_margin=0.4).fit(X, y).compact()
    n = len(read_out.neurons_)
    row = np.where(np.arange(n) % 2, 1.0, -1.0)[None, : n - n % 2]
    votes = votes_of(read_out)
    votes.weight = votes.weight[: row.shape[1]]
    assert int(votes(torch.from_numpy(row).float()).argmax()) == 0


def test_activations_are_rounded_as_they_are_kept() -> None:
    X, y = data(2)
    votes = votes_of(make_read_out("super-neurons").fit(X, y).compact())
    k = votes.weight.shape[0]
    fine = torch.full((1, k), 1.0001)
    assert torch.equal(votes(fine), votes(torch.ones(1, k)))
    huge = votes(torch.full((1, k), 1e9))
    assert torch.equal(huge, votes(torch.full((1, k), 65504.0)))


@pytest.mark.parametrize("name", ["knn", "savs"])
def test_examples_and_centroids_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="compares with examples or centroids"):
        votes_of(make_read_out(name))


def test_scores_are_sums_of_what_each_neuron_weighs() -> None:
    votes = Votes(np.array([[1.0, -1.0], [0.5, 2.0]]), np.array([0.25, -0.25]))
    scores = votes(torch.tensor([[2.0, 4.0], [0.0, 0.0]]))
    assert scores.tolist() == [[4.25, 5.75], [0.25, -0.25]]
    assert scores.dtype == torch.float32


def test_by_majority_each_neuron_counts_the_same_and_zero_is_not_above_zero() -> None:
    votes = Votes(np.array([[-1.0, 1.0]] * 3), np.zeros(2), signs=True)
    scores = votes(torch.tensor([[1e-3, 900.0, -5.0], [0.0, 0.0, 7.0]]))
    assert scores.tolist() == [[-0.5, 0.5], [0.5, -0.5]]
    rounded = votes(torch.tensor([[1e-9, 1e-9, 1.0]]))
    assert rounded.tolist() == [[0.5, -0.5]], "float16 has nothing so near to 0"


def test_negative_activations_are_cut_off_like_positive_ones() -> None:
    votes = Votes(np.array([[1.0, 0.0]]), np.zeros(2))
    assert votes(torch.tensor([[-1e9], [1e9]]))[:, 0].tolist() == [-65504.0, 65504.0]


@pytest.mark.parametrize("name", ["super-neurons", "logistic"])
def test_what_all_labels_gain_alike_is_taken_out(name: str) -> None:
    X, y = data(3)
    votes = votes_of(make_read_out(name).fit(X, y).compact())
    np.testing.assert_allclose(votes.weight.mean(dim=1), 0, atol=1e-6)
    assert float(votes.intercept.mean()) == pytest.approx(0, abs=1e-5)
    assert float(votes.weight.abs().max()) > 1e-3


def test_of_two_labels_the_second_is_for_what_is_above() -> None:
    X, y = data(2)
    read_out = make_read_out("logistic").fit(X, y).compact()
    votes = votes_of(read_out)
    assert torch.equal(votes.weight[:, 0], -votes.weight[:, 1])
    assert torch.equal(votes.intercept[:1], -votes.intercept[1:])
    pulls = np.sign(votes.weight[:, 1].numpy() @ read_out.coef_[:, 0])
    assert pulls == 1
