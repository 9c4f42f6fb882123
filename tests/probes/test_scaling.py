from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.probes.scaling import binary_probabilities, fit_scale


def test_it_finds_the_scale_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    decision = rng.normal(size=200_000)
    positive = rng.random(200_000) < 1 / (1 + np.exp(-2.5 * decision))
    assert fit_scale(decision, positive) == pytest.approx(2.5, rel=0.02)


def test_it_does_not_care_about_the_unit_of_the_decision() -> None:
    rng = np.random.default_rng(1)
    decision = rng.normal(size=500)
    positive = decision + rng.normal(size=500) > 0
    assert fit_scale(decision * 100, positive) * 100 == pytest.approx(
        fit_scale(decision, positive), rel=1e-3
    )


def test_perfect_separation_stays_finite_and_more_samples_make_it_surer() -> None:
    few, many = (
        fit_scale(np.repeat([-1.0, 1.0], n), np.repeat([False, True], n)) for n in (10, 1000)
    )
    assert 1 < few < many < 1e3


def test_a_decision_that_points_the_wrong_way_gets_hardly_any_weight() -> None:
    scale = fit_scale(np.array([1.0, 1.0, -1.0, -1.0]), np.array([False, False, True, True]))
    assert 0 < scale < 1e-4


@settings(max_examples=50, deadline=None)
@given(z=st.floats(-700, 700))
def test_probabilities_sum_to_one_and_keep_the_side(z) -> None:
    negative, positive = binary_probabilities(np.array([z]))[0]
    assert negative + positive == pytest.approx(1)
    assert positive >= negative if z > 0 else negative >= positive
