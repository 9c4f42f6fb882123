from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from superneurons.task.record import Record
from superneurons.vlm.lean import qwen3_vl as module
from superneurons.vlm.lean.qwen3_vl import Qwen3VLTower
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_models import save_qwen3_vl


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> VLM:
    path: Path = save_qwen3_vl(tmp_path_factory.mktemp("models") / "qwen3_vl")
    return open_vlm(str(path), device="cpu")


@pytest.fixture
def tower(qwen: VLM) -> Qwen3VLTower:
    return Qwen3VLTower.of(qwen.model)


def pictures(*sizes: tuple[int, int]) -> list[Record]:
    rng = np.random.default_rng(0)
    return [
        Record((Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)),), "Why?")
        for size in sizes
    ]


def tensors_of(vlm: VLM, *sizes: tuple[int, int]) -> dict[str, torch.Tensor]:
    return dict(vlm.encode(pictures(*sizes)).tensors)


def own(vlm: VLM, tensors: dict[str, torch.Tensor]) -> Any:
    model: Any = vlm.model
    return model.model.get_image_features(
        pixel_values=tensors["pixel_values"], image_grid_thw=tensors["image_grid_thw"]
    )


ONE_SIZE, SEVERAL = [(28, 28), (28, 28)], [(28, 28), (16, 40), (48, 16), (28, 28)]


@pytest.mark.parametrize("sizes", [ONE_SIZE, SEVERAL])
@torch.inference_mode()
def test_image_tokens_and_what_enters_later_are_the_model_s_own(
    qwen: VLM, tower: Qwen3VLTower, sizes: list[tuple[int, int]]
) -> None:
    tensors = tensors_of(qwen, *sizes)
    seen, expected = tower.see(tensors, tower.grids(tensors)), own(qwen, tensors)
    assert seen.tokens is not None
    torch.testing.assert_close(
        seen.tokens, torch.cat(list(expected.pooler_output)), atol=1e-4, rtol=1e-4
    )
    assert len(seen.deep) == 2
    for found, deep in zip(seen.deep, expected.deepstack_features, strict=True):
        whole = deep if isinstance(deep, torch.Tensor) else torch.cat(deep)  # as transformers likes
        torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_pictures_of_several_sizes_are_seen_as_each_alone(qwen: VLM, tower: Qwen3VLTower) -> None:
    tensors = tensors_of(qwen, *SEVERAL)
    together = tower.see(tensors, tower.grids(tensors), layers=[1, 3])
    alone = []
    for size in pictures(*SEVERAL):
        one = dict(qwen.encode([size]).tensors)
        alone.append(tower.see(one, tower.grids(one), layers=[1, 3]))
    for number in (1, 3):
        each = torch.cat([seen.layers[number].flatten(0, 1) for seen in alone])
        torch.testing.assert_close(together.layers[number], each, atol=1e-5, rtol=1e-4)
    tokens = [seen.tokens for seen in alone if seen.tokens is not None]
    torch.testing.assert_close(together.tokens, torch.cat(tokens), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_what_enters_later_is_computed_only_as_far_as_it_is_needed(
    qwen: VLM, tower: Qwen3VLTower
) -> None:
    tensors = tensors_of(qwen, *ONE_SIZE)
    grids = tower.grids(tensors)
    whole = tower.see(tensors, grids).deep
    for deep in (0, 1, 2, 7):
        found = tower.see(tensors, grids, deep=deep).deep
        assert len(found) == min(deep, 2)
        assert all(torch.equal(a, b) for a, b in zip(found, whole, strict=False))


@torch.inference_mode()
def test_no_layer_runs_after_the_last_that_is_asked_for(qwen: VLM, tower: Qwen3VLTower) -> None:
    def refuse(*_: Any) -> torch.Tensor:
        raise AssertionError("ran")

    tensors = tensors_of(qwen, *ONE_SIZE)
    grids = tower.grids(tensors)
    cut = replace(tower, layers=(*tower.layers[:2], refuse), merger=refuse)  # type: ignore[arg-type]
    seen = cut.see(tensors, grids, layers=[2], project=False)
    assert (seen.tokens, list(seen.deep)) == (None, [])
    expected = tower.see(tensors, grids, layers=[2]).layers[2]
    torch.testing.assert_close(seen.layers[2], expected)
    with pytest.raises(AssertionError, match="ran"):
        cut.see(tensors, grids)


def test_patches_come_in_the_order_of_their_tokens(tower: Qwen3VLTower) -> None:
    rows, columns = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
    found = tower._by_token(torch.stack([rows, columns], dim=-1)).tolist()
    expected = [
        [2 * token_row + row, 2 * token_column + column]
        for token_row in range(2)
        for token_column in range(3)
        for row in range(2)
        for column in range(2)
    ]
    assert found == expected


def test_sizes_are_counted_in_patches_and_tokens(qwen: VLM, tower: Qwen3VLTower) -> None:
    tensors = tensors_of(qwen, (16, 40), (28, 28))
    grids = tower.grids(tensors)
    for (height, width), (frames, rows, columns) in zip(
        grids, tensors["image_grid_thw"].tolist(), strict=True
    ):
        assert (height, width) == (frames * rows, columns)
        assert tower.tokens((height, width)) == (height // 2, width // 2)
    placed = tensors["input_ids"] == qwen.model.config.image_token_id  # type: ignore[union-attr]
    sides = [tower.tokens(grid) for grid in grids]
    assert placed.sum(dim=1).tolist() == [height * width for height, width in sides]


def test_positions_are_computed_once_for_a_size_and_not_kept_without_end(
    tower: Qwen3VLTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_GRIDS", 2)
    first, again = tower._places((4, 4)), tower._places((4, 4))
    assert first is again
    for side in (2, 6, 8):
        tower._places((side, 2))
    assert len(tower._known) <= 2
    (positions, rope), (other, turned) = first, tower._places((4, 4))
    for a, b in zip((positions, *rope), (other, *turned), strict=True):
        assert torch.equal(a, b)
