from __future__ import annotations

import os

import pytest

from scale.ranked import fail, meet
from superneurons.errors import DataError, SuperNeuronsError
from superneurons.scale.local_ranks import on_local_ranks


def test_ranks_sum_and_gather() -> None:
    told: list[tuple[int, int]] = []
    found = on_local_ranks(2, meet, (3,), progress=lambda done, total: told.append((done, total)))
    assert found["mine"] == [3, 0, 3 * 2**40]
    assert found["total"] == [6, 30, 6 * 2**40]
    assert found["parts"] == [[0.0], [0.5, 0.5]]
    assert found["pid"] != os.getpid()
    assert told[-1] == (4, 4)


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [("refused", DataError, "No such thing"), ("killed", SuperNeuronsError, "without a word")],
)
def test_one_that_fails_ends_the_others(how: str, kind: type[SuperNeuronsError], said: str) -> None:
    with pytest.raises(kind, match=said):
        on_local_ranks(2, fail, (how,))
