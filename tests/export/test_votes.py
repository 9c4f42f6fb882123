"""Votes as a module decide as the read-out does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from superneurons.errors import DataError
from superneurons.export.votes import votes_of
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
