from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    SiglipVisionConfig,
)

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.family import families
from superneurons.vlm.model import VLM
from superneurons.vlm.tower import (
    check_tower,
    count_from_first,
    cut_tower,
    layers_read,
    stopping_after,
    tower_layers,
    without_decoder,
)

LLAVA = families()["llava"][-1]


def reading(llava: VLM, features: int | list[int], layers: int = 4) -> VLM:
    """The tiny LLaVA with a deeper tower, of which the projector reads other layers."""
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=layers, num_attention_heads=2,
            image_size=24, patch_size=8,
        ),
        text_config=LlamaConfig(
            vocab_size=len(llava.processor.tokenizer), hidden_size=32, intermediate_size=64,
            num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        ),
        image_token_id=cast(Any, llava.model).config.image_token_id,
        vision_feature_layer=features,
    )  # fmt: skip
    return replace(llava, model=LlavaForConditionalGeneration(config).eval())


def ran(vlm: VLM, kinds: Sequence[Any], records: list[Record], of: VLM | None = None) -> list[int]:
    """Which layers of a tower a pass went through."""
    passed: list[int] = []
    layers = tower_layers((of or vlm).model, vlm.family)
    handles = [
        layer.register_forward_hook(lambda *_, n=number: passed.append(n))
        for number, layer in enumerate(layers, start=1)
    ]
    vlm.last_states(vlm.encode(records), kinds)
    for handle in handles:
        handle.remove()
    return passed


FEATURES: list[tuple[int | list[int], int]] = [
    (-2, 3), (-1, 4), (2, 2), (-3, 2), ([-2, 1], 3), ([1, 2], 2), ([-1, 2], 4),
]  # fmt: skip


@pytest.mark.parametrize(("features", "read"), FEATURES)
def test_a_cut_model_runs_no_tower_layer_that_is_not_read(
    llava: VLM, records: list[Record], features: int | list[int], read: int
) -> None:
    vlm = reading(llava, features)
    assert layers_read(cast(Any, vlm.model).config, LLAVA) == read
    inputs = vlm.encode(records[:3])
    cut = vlm.truncated(2)
    assert ran(cut, ["residual"], records[:3], of=vlm) == list(range(1, read + 1))
    # cut before and after the whole model ran: both share layers with what is hooked to them
    before = cut.last_states(inputs).residual
    whole = vlm.last_states(inputs).residual
    assert torch.equal(before, whole[:, :2])
    assert torch.equal(cut.last_states(inputs).residual, whole[:, :2])
    assert torch.equal(vlm.truncated(2).truncated(1).last_states(inputs).residual, whole[:, :1])
    assert cut.shape("vision") == (read, 16)
    assert layers_read(cast(Any, cut.model).config, LLAVA) == read


def test_a_tower_of_another_type_is_cut_alike(llava: VLM, records: list[Record]) -> None:
    """SigLIP has no class token, and all of its patches are read."""
    torch.manual_seed(0)
    config = cast(Any, reading(llava, -2).model).config
    config.vision_config = SiglipVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
        image_size=24, patch_size=8, vision_use_head=False,
    )  # fmt: skip
    config.vision_feature_select_strategy = "full"
    processor = copy.copy(llava.processor)
    processor.vision_feature_select_strategy, processor.num_additional_image_tokens = "full", 0
    model = LlavaForConditionalGeneration(config).eval()
    vlm = replace(llava, model=model, processor=processor)
    for seen in (vlm, vlm.at_resolution(16)):
        inputs = seen.encode(records[:3])
        whole = seen.last_states(inputs).residual
        assert torch.equal(seen.truncated(2).last_states(inputs).residual, whole[:, :2])
        assert ran(seen.truncated(1), ["residual"], records[:1], of=seen) == [1, 2]


@pytest.mark.parametrize(("features", "read"), FEATURES)
def test_the_model_and_its_configuration_stay_as_they_were(
    llava: VLM, records: list[Record], features: int | list[int], read: int
) -> None:
    vlm = reading(llava, features)
    config = cast(Any, vlm.model).config
    before = config.to_dict()
    cut = vlm.truncated(1)
    assert config.to_dict() == before
    assert vlm.shape("vision") == (4, 16)
    assert ran(vlm, ["vision"], records[:1]) == [1, 2, 3, 4]
    mine = cast(Any, cut.model).config.vision_feature_layer
    assert isinstance(mine, int) is isinstance(features, int)
    if read < 4:
        assert max([mine] if isinstance(mine, int) else mine) == read


@pytest.mark.parametrize("layers", [1, 2])
def test_a_site_in_the_tower_runs_it_so_far_and_nothing_after(
    vlm: VLM, records: list[Record], layers: int
) -> None:
    whole = vlm.last_states(vlm.encode(records[:3]), ["vision"]).parts["vision"]
    seeing = vlm.seeing(layers)
    assert (seeing.depth, seeing.shape("vision")) == (0, (layers, whole.shape[-1]))
    assert ran(seeing, ["vision"], records[:3], of=vlm) == list(range(1, layers + 1))
    projected: list[int] = []
    projector = seeing.model.get_submodule(vlm.family.projector[-1])
    handle = projector.register_forward_hook(lambda *_: projected.append(1))
    found = seeing.last_states(seeing.encode(records[:3]), ["vision"]).parts["vision"]
    handle.remove()
    assert not projected
    assert torch.equal(found, whole[:, :layers])


def test_by_default_it_sees_what_the_projector_reads(vlm: VLM, records: list[Record]) -> None:
    inputs = vlm.encode(records[:3])
    seeing = vlm.seeing()
    read = layers_read(cast(Any, vlm.model).config, vlm.family)
    assert seeing.shape("vision")[0] == read
    expected = vlm.last_states(inputs, ["projector"]).parts["projector"]
    assert torch.equal(seeing.last_states(inputs, ["projector"]).parts["projector"], expected)
    assert ran(seeing, ["projector"], records[:2], of=vlm) == list(range(1, read + 1))


def test_what_a_cut_tower_lacks_is_refused(llava: VLM, records: list[Record]) -> None:
    vlm = reading(llava, -2)
    seeing = vlm.seeing(2)
    inputs = vlm.encode(records[:1])
    with pytest.raises(ModelError, match=r"cut off after layer 2.*reads layer 3"):
        seeing.last_states(inputs, ["projector", "vision"])
    with pytest.raises(ModelError, match="without decoder layers"):
        seeing.last_states(inputs, ["residual"])
    for wrong in (-1, 5):
        with pytest.raises(ModelError, match="tower of 4 layers") as caught:
            vlm.seeing(wrong)
        assert "0 to 4" in str(caught.value)
    assert vlm.seeing(4).seeing(3).shape("vision")[0] == 3


def test_weights_are_shared_not_copied(vlm: VLM) -> None:
    whole = {parameter.data_ptr() for parameter in vlm.model.parameters()}
    for view in (cut_tower(vlm.model, vlm.family, 1), without_decoder(vlm.model, vlm.family)):
        mine = {parameter.data_ptr() for parameter in view.parameters()}
        assert mine < whole
    assert cut_tower(vlm.model, vlm.family, vlm.shape("vision")[0]) is vlm.model


def test_all_layers_are_there_to_be_checked() -> None:
    check_tower(3, 0)
    check_tower(3, 3)
    with pytest.raises(ModelError, match="vision layer 4"):
        check_tower(3, 4)


def test_numbers_from_the_end_become_numbers_from_the_start(llava: VLM) -> None:
    config = cast(Any, reading(llava, [-2, -4]).model).config
    count_from_first(config, LLAVA)
    assert config.vision_feature_layer == [3, 1]


def test_a_tower_without_layers_is_refused(llava: VLM) -> None:
    elsewhere = replace(llava.family, vision=("lm_head",))
    with pytest.raises(ModelError, match="no list of layers"):
        tower_layers(llava.model, elsewhere)


def test_the_rest_of_a_pass_is_left_out() -> None:
    first, second = nn.Identity(), nn.Identity()
    passed: list[str] = []
    first.register_forward_hook(lambda *_: passed.append("first"))
    second.register_forward_hook(lambda *_: passed.append("second"))
    with stopping_after(first):
        nn.Sequential(first, second)(torch.ones(1))
    assert passed == ["first"]
    nn.Sequential(first, second)(torch.ones(1))
    assert passed == ["first", "first", "second"]
    with pytest.raises(ValueError, match="mine"), stopping_after(first):
        raise ValueError("mine")
