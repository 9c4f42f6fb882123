from __future__ import annotations

import numpy as np
import pytest

from superneurons.probes.trust import standardised, trust


def test_sums_of_votes_become_correlations() -> None:
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=200), rng.normal(size=200)
    votes = (x - x.mean()) / x.std()
    found = float(votes @ standardised(y[:, None])[:, 0])
    assert found == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_a_target_that_never_changes_correlates_with_nothing() -> None:
    assert np.all(standardised(np.ones((5, 1))) == 0)


def test_neighbourhoods_that_know_are_trusted_most() -> None:
    squares = np.full(6000, 1 / 400)
    squares[2000:3000] += 0.04
    found = trust(squares, n=400)
    assert found.max() == 1
    assert found[2300:2700].min() > 0.99
    assert found[:1500].max() < 0.05
    assert (found > 0).all()


def test_without_anything_known_all_are_trusted_alike() -> None:
    np.testing.assert_allclose(trust(np.full(3000, 1 / 50), n=50), 1)
