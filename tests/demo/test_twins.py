from __future__ import annotations

import numpy as np
import pytest

from superneurons.demo.atlas import load_atlas
from superneurons.demo.twin_kinds import TWIN_KINDS
from superneurons.demo.twins import make_twins

ATLAS = load_atlas()


@pytest.mark.parametrize("kind", sorted(TWIN_KINDS))
def test_as_many_good_pairs_as_asked_for_with_different_answers(kind: str) -> None:
    twins = make_twins(
        kind, 7, ATLAS, np.random.default_rng(0), pool=ATLAS.pool(seen=True), backgrounds="seen"
    )
    assert len(twins.first) == len(twins.second) == len(twins.questions) == len(twins.labels) == 7
    assert twins.good.all()
    assert all(first != second for first, second in twins.labels)


def test_the_same_seed_gives_the_same_twins() -> None:
    first, again, other = (
        make_twins(
            "left",
            5,
            ATLAS,
            np.random.default_rng(seed),
            pool=ATLAS.pool(seen=False),
            backgrounds="unseen",
        )
        for seed in (0, 0, 1)
    )
    assert first.questions == again.questions
    np.testing.assert_array_equal(first.second.centre, again.second.centre)
    assert first.questions != other.questions
