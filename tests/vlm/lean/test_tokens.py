from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from superneurons.vlm.lean.tokens import merged, rows_of, three_axes

PICTURE = 3


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), left=st.booleans())
def test_rows_begin_at_the_first_position_on_whichever_side_they_were_padded(
    lengths: list[int], left: bool
) -> None:
    widest = max(lengths)
    ids, mask = torch.zeros(len(lengths), widest).long(), torch.zeros(len(lengths), widest).long()
    for row, length in enumerate(lengths):
        place = slice(widest - length, None) if left else slice(length)
        ids[row, place], mask[row, place] = torch.arange(1, length + 1), 1
    row = rows_of(ids, mask, PICTURE)
    assert row.last.tolist() == [length - 1 for length in lengths]
    for found, images, length in zip(row.ids, row.images, lengths, strict=True):
        assert found[:length].tolist() == list(range(1, length + 1))
        assert images.nonzero().flatten().tolist() == ([2] if length >= 3 else [])


def test_image_tokens_fill_their_places_in_order() -> None:
    images = torch.tensor([[False, True, True], [True, False, False]])
    found = merged(torch.zeros(2, 3, 1), images, torch.tensor([[1.0], [2.0], [3.0]]))
    assert found[..., 0].tolist() == [[0, 1, 2], [3, 0, 0]]


def counted(row: list[int], grids: list[tuple[int, int]]) -> np.ndarray:
    """Walk along a row as the definition says."""
    rest, found, place, i = list(grids), [], 0, 0
    while i < len(row):
        if row[i] != PICTURE:
            found.append((place, place, place))
            place, i = place + 1, i + 1
            continue
        height, width = rest.pop(0)
        found += [(place, place + h, place + w) for h in range(height) for w in range(width)]
        place, i = place + max(height, width), i + height * width
    return np.array(found).T


@pytest.mark.parametrize("grids", [[(2, 3), (2, 3), (2, 3)], [(1, 4), (3, 2), (2, 2)]])
def test_positions_on_three_axes_counted_by_walking_along(grids: list[tuple[int, int]]) -> None:
    first, second, third = ([PICTURE] * (height * width) for height, width in grids)
    rows = [[7, 7, *first, 8, *second, 9, 9], [*third, 5]]
    widest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (widest - len(row)) for row in rows])
    found = three_axes(ids == PICTURE, tuple(grids)).numpy()
    np.testing.assert_array_equal(found[:, 0, : len(rows[0])], counted(rows[0], grids[:2]))
    np.testing.assert_array_equal(found[:, 1, : len(rows[1])], counted(rows[1], grids[2:]))
