from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from superneurons.task.record import Record
from superneurons.vlm.family import families
from superneurons.vlm.model import VLM
from superneurons.vlm.patches import equal_tiles, patch_average, patch_averages


def test_a_row_per_picture() -> None:
    hidden = torch.arange(24.0).reshape(3, 4, 2)
    found = patch_average(hidden, [1, 2], None)
    each = hidden.numpy().mean(axis=1)
    np.testing.assert_allclose(found.numpy(), [each[0], (each[1] + each[2]) / 2])


def test_a_class_token_is_left_out() -> None:
    hidden = torch.tensor([[[100.0], [1.0], [3.0]]])
    assert patch_average(hidden, [1], None, leading=1).tolist() == [[2.0]]


def test_rows_and_columns_of_patches_are_patches() -> None:
    hidden = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    found = patch_average(hidden, [1, 2], None)
    torch.testing.assert_close(found, patch_average(hidden.flatten(1, 2), [1, 2], None))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 6))
def test_tiles_are_told_by_their_tokens(tiles: list[int], tokens: int) -> None:
    ids = torch.zeros(len(tiles), 40, dtype=torch.long)
    for row, count in zip(ids, tiles, strict=True):
        row[: count * tokens] = 7
    tensors = {"input_ids": ids, "pixel_values": torch.zeros(sum(tiles), 3, 2, 2)}
    assert equal_tiles(tensors, SimpleNamespace(image_token_id=7), [1] * len(tiles)) == tiles


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from([1, 4]))
def test_all_pictures_in_one_row(sizes: list[int], merged: int) -> None:
    patches = [4 * size for size in sizes]
    rows = torch.randn(sum(patches) // merged, 3, generator=torch.Generator().manual_seed(0))
    found = patch_average(rows, [1] * len(sizes), patches).numpy()
    ends = np.cumsum([count // merged for count in patches])[:-1]
    expected = [part.mean(axis=0) for part in np.split(rows.numpy(), ends)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_padding_counts_for_nothing_whatever_is_in_it() -> None:
    nan = float("nan")
    hidden = torch.tensor([[[9.0], [1.0], [3.0]], [[9.0], [5.0], [nan]]])
    mask = torch.tensor([[True, True], [True, False]])
    assert patch_average(hidden, [1, 1], None, leading=1, mask=mask).tolist() == [[2.0], [5.0]]
    assert patch_average(hidden, [2], None, leading=1, mask=mask).tolist() == [[3.5]]


def test_tiles_of_the_tower_may_be_one_row_after_the_projector() -> None:
    family = replace(
        families()["llava"][-1],
        record_tiles=lambda *_: [3, 1],
        projected=lambda tensors: tensors["tokens"].tolist(),
    )
    model = SimpleNamespace(config=SimpleNamespace())
    averages = patch_averages(model, family, {"tokens": torch.tensor([2, 1, 3])}, (2, 1))  # type: ignore[arg-type]
    tiles = torch.tensor([1.0, 2, 6, 7])[:, None, None].expand(4, 5, 1)
    assert averages["vision"](tiles).tolist() == [[3.0], [7.0]]
    rows = torch.tensor([1.0, 3, 8, 1, 2, 6])[:, None]
    # the mean of each picture first: (1 + 3) / 2 and 8 for one record, 3 for the other
    assert averages["projector"](rows).tolist() == [[5.0], [3.0]]


def test_half_precision_is_averaged_in_single() -> None:
    hidden = torch.full((1, 4096, 1), 20.0, dtype=torch.float16)
    assert patch_average(hidden, [1], None).tolist() == [[20.0]]


@pytest.mark.parametrize("kind", ["vision", "projector"])
def test_two_pictures_are_averaged_and_a_batch_changes_nothing(vlm: VLM, kind: str) -> None:
    dark, light = (Image.new("RGB", (28, 28), colour) for colour in ("black", "orange"))
    rows = [Record((dark,), "Why?"), Record((light, dark), "Why?"), Record((light,), "Why?")]
    found = vlm.last_states(vlm.encode(rows), [kind]).parts[kind]  # type: ignore[list-item,index]
    assert not torch.allclose(found[0], found[2], atol=1e-3)
    torch.testing.assert_close(found[1], (found[0] + found[2]) / 2, rtol=1e-3, atol=1e-3)
