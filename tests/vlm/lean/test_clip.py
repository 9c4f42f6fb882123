from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from superneurons.task.record import Record
from superneurons.vlm.lean.clip import ClipTower
from superneurons.vlm.lean.dense import UnknownPartError
from superneurons.vlm.model import VLM


@pytest.fixture
def tensors(llava: VLM, records: list[Record]) -> dict[str, torch.Tensor]:
    return dict(llava.encode(records[:3]).tensors)


def configured(llava: VLM, **changes: Any) -> Any:
    model: Any = copy.deepcopy(llava.model)
    for config in (model.config, model.model.config):
        for name, value in changes.items():
            setattr(config, name, value)
    return model


def own_features(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(model.model.get_image_features(pixel_values=pixels).pooler_output))


@pytest.mark.parametrize("strategy", ["default", "full"])
@pytest.mark.parametrize("layer", [-1, -2, -3, 1, 2])
@torch.inference_mode()
def test_image_tokens_are_the_model_s_own_whichever_layer_is_read(
    llava: VLM, tensors: dict[str, torch.Tensor], layer: int, strategy: str
) -> None:
    model = configured(llava, vision_feature_layer=layer, vision_feature_select_strategy=strategy)
    tower = ClipTower.of(model)
    found = tower.see(tensors, tower.grids(tensors)).tokens
    assert found is not None
    expected = own_features(model, tensors["pixel_values"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert len(found) == 3 * tower.tokens((3, 3))[1]


@torch.inference_mode()
def test_several_layers_are_read_side_by_side(llava: VLM, tensors: dict[str, torch.Tensor]) -> None:
    model = configured(llava, vision_feature_layer=[0, -1])
    first = model.model.multi_modal_projector.linear_1
    wider = nn.Linear(2 * first.in_features, first.out_features)
    model.model.multi_modal_projector.linear_1 = wider
    tower = ClipTower.of(model)
    found = tower.see(tensors, tower.grids(tensors)).tokens
    expected = own_features(model, tensors["pixel_values"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_layers_asked_for_are_the_model_s_own_class_token_included(
    llava: VLM, tensors: dict[str, torch.Tensor]
) -> None:
    tower = ClipTower.of(llava.model)
    own = llava.model.model.vision_tower(  # type: ignore[union-attr,operator]
        tensors["pixel_values"], output_hidden_states=True
    ).hidden_states
    seen = tower.see(tensors, tower.grids(tensors), layers=[1, 2], project=False)
    assert seen.tokens is None
    assert seen.layers.keys() == {1, 2}
    for number, states in seen.layers.items():
        torch.testing.assert_close(states, own[number], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_no_layer_runs_that_nothing_is_asked_of(
    llava: VLM, tensors: dict[str, torch.Tensor]
) -> None:
    def refuse(*_: Any) -> torch.Tensor:
        raise AssertionError("ran")

    tower = ClipTower.of(llava.model)  # reads the last layer but one, of two
    cut = replace(tower, layers=(tower.layers[0], refuse))  # type: ignore[arg-type]
    grids = tower.grids(tensors)
    torch.testing.assert_close(cut.see(tensors, grids).tokens, tower.see(tensors, grids).tokens)
    assert cut.see(tensors, grids, layers=[1], project=False).layers[1].shape == (3, 10, 16)
    with pytest.raises(AssertionError, match="ran"):
        cut.see(tensors, grids, layers=[2], project=False)


def test_patches_are_counted_from_the_pixels(llava: VLM, tensors: dict[str, torch.Tensor]) -> None:
    tower = ClipTower.of(llava.model)
    assert tower.grids(tensors) == ((3, 3),) * 3
    assert tower.grids({"pixel_values": torch.zeros(1, 3, 16, 24)}) == ((2, 3),)
    assert tower.tokens((3, 3)) == (1, 9)
    assert replace(tower, keeps_leading=True).tokens((3, 3)) == (1, 10)


def test_another_kind_of_tower_is_refused_by_name(llava: VLM) -> None:
    model = configured(llava)
    model.model.vision_tower = nn.Sequential(nn.Identity())
    with pytest.raises(UnknownPartError, match="vision tower of type Sequential"):
        ClipTower.of(model)
