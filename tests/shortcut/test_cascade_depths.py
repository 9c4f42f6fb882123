from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.shortcut.cascade_depths import depth_profile, stage_layers

TWO = np.repeat(["no", "yes"], 60)


def layered(strengths: list[float], seed: int = 0) -> NDArray[np.float16]:
    """Activations of 120 records whose layers hold the answer more or less strongly."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, len(strengths), 8))
    X[:, :, 0] += np.where(TWO == "yes", 1, -1)[:, None] * np.array(strengths)
    return X.astype(np.float16)


def test_a_profile_rises_where_the_answer_arrives() -> None:
    X = layered([0, 0, 0.6, 3, 3])
    profile = depth_profile(X, TWO, np.arange(120), seed=0)
    assert profile.shape == (5,)
    assert profile[:2].max() < 0.7
    assert profile[1] < profile[2] < profile[3]
    assert profile[3] > 0.95
    order = np.random.default_rng(1).permutation(120)
    np.testing.assert_allclose(
        depth_profile(X[order], TWO[order], np.arange(120)[order], seed=0), profile
    )


def test_stages_are_where_it_starts_where_it_is_done_and_the_end() -> None:
    profile = depth_profile(layered([0, 0, 0.6, 3, 3]), TWO, np.arange(120), seed=0)
    assert stage_layers(profile, TWO) == (3, 4, 5)


@pytest.mark.parametrize(
    ("profile", "layers"),
    [
        ([0.5, 0.5, 0.5], (3,)),
        ([0.95, 0.95, 0.95], (1, 3)),
        ([0.7, 0.95, 0.8], (1, 2, 3)),
        ([0.9], (1,)),
        ([0.5, 0.6, 0.9], (3,)),
        ([0.5, 0.65, 0.9], (2, 3)),
    ],
)
def test_layers_that_are_the_same_are_one_stage(profile: list[float], layers: tuple[int]) -> None:
    assert stage_layers(np.array(profile), TWO) == layers


def test_with_more_answers_chance_is_lower() -> None:
    profile = np.array([0.45, 0.6, 0.9])
    assert stage_layers(profile, np.repeat(list("abcd"), 60)) == (1, 3)
    assert stage_layers(profile, np.repeat(list("ab"), 60)) == (3,)


def test_a_class_in_one_group_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2 groups"):
        depth_profile(layered([1, 1]), TWO, (TWO == "yes").astype(np.int64), seed=0)
