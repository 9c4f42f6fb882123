from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import SiglipVisionConfig, SiglipVisionModel

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.answer import generate_answers
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.processor import processor_settings
from superneurons.vlm.resolution import ResizedPositions, at_resolution, resized, resolution_of
from superneurons.vlm.taps import KINDS
from tiny_families import savers
from tiny_models import SAVERS


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> VLM:
    path = SAVERS["qwen3_vl"](tmp_path_factory.mktemp("models") / "qwen3_vl")
    return open_vlm(str(path), device="cpu")


def settings(vlm: VLM) -> dict[str, Any]:
    return processor_settings(vlm.processor)


def image_tokens(vlm: VLM, records: list[Record]) -> list[int]:
    ids = vlm.encode(records).tensors["input_ids"]
    return (ids == cast(Any, vlm.model).config.image_token_id).sum(dim=1).tolist()


@given(before=st.integers(1, 6), after=st.integers(1, 9), leading=st.sampled_from([0, 1]))
def test_positions_become_another_square(before: int, after: int, leading: int) -> None:
    if before == 1:
        leading = 1  # one position alone is a class token or a patch: not a tower
    positions = torch.randn(before**2 + leading, 3)
    found = resized(positions, after)
    assert found.shape == (after**2 + leading, 3)
    assert torch.equal(found[:leading], positions[:leading])
    if before == after:
        torch.testing.assert_close(found, positions)


def test_a_slope_stays_a_slope() -> None:
    """Halving a grid whose values rise evenly averages neighbours, away from its edges."""
    slope = torch.arange(8.0).repeat(8, 1)
    found = resized(slope.reshape(64, 1), 4).reshape(4, 4)
    torch.testing.assert_close(found[:, 1:3], torch.tensor([[2.5, 4.5]] * 4), atol=0.02, rtol=0)
    assert resized(slope.reshape(64, 1).half(), 4).dtype == torch.float16


@pytest.mark.parametrize(("name", "step"), [("llava, pixtral", 4), ("mistral3", 8)])
def test_a_limit_of_the_sides_makes_pictures_smaller_too(
    tmp_path: Path, name: str, step: int
) -> None:
    vlm = open_vlm(str(savers()[name](tmp_path / "model")), device="cpu")
    assert vlm.resolution == 32
    rows = [Record((Image.new("RGB", size),), "Why?") for size in ((64, 32), (16, 8))]
    assert vlm.encode(rows).tensors["image_sizes"].tolist() == [[16, 32], [8, 16]]
    small = vlm.at_resolution(16)
    assert small.resolution == 16
    assert small.encode(rows).tensors["image_sizes"].tolist() == [[8, 16], [8, 16]]
    assert small.model is vlm.model
    assert small.at_resolution(32).encode(rows).tensors["image_sizes"].tolist()[0] == [16, 32]
    with pytest.raises(ModelError, match=f"less than the {step} pixels of one image token"):
        vlm.at_resolution(step - 1)


def test_a_processor_that_writes_the_tokens_itself_writes_fewer(tmp_path: Path) -> None:
    vlm = open_vlm(str(savers()["paligemma"](tmp_path / "model")), device="cpu")
    small = vlm.at_resolution(16)
    rows = [Record((Image.new("RGB", (30, 20)),), "Why?")]
    tokens = [
        v.encode(rows).tensors["input_ids"] == v.model.config.image_token_id for v in (vlm, small)
    ]
    assert [int(token.sum()) for token in tokens] == [9, 4]
    states = small.last_states(small.encode(rows)).residual
    assert states.isfinite().all()
    assert not torch.allclose(states, vlm.last_states(vlm.encode(rows)).residual)
    again = small.at_resolution(24)
    torch.testing.assert_close(
        again.last_states(again.encode(rows)).residual, vlm.last_states(vlm.encode(rows)).residual
    )


@pytest.mark.parametrize("pixels", [8, 16, 32, 48])
def test_a_tower_sees_what_transformers_makes_it_see(llava: VLM, pixels: int) -> None:
    """Its own ``interpolate_pos_encoding`` resamples anew in every pass."""
    pixel_values = torch.randn(2, 3, pixels, pixels)
    view = llava.at_resolution(pixels)
    path = llava.family.vision[0]
    with torch.inference_mode():
        tower = llava.model.get_submodule(path)
        expected = tower(pixel_values, interpolate_pos_encoding=True).last_hidden_state
        found = view.model.get_submodule(path)(pixel_values).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pixels", [8, 16, 40])
def test_there_are_as_many_image_tokens_as_patches(
    llava: VLM, records: list[Record], pixels: int
) -> None:
    view = llava.at_resolution(pixels)
    assert (view.resolution, llava.resolution) == (pixels, 24)
    assert image_tokens(view, records[:2]) == [(pixels // 8) ** 2] * 2
    states = view.last_states(view.encode(records[:3]), KINDS, logits=True)
    for kind in KINDS:
        assert states.parts[kind].shape == (3, *llava.shape(kind))
        assert states.parts[kind].isfinite().all()
    assert generate_answers(view, view.encode(records[:2], padding_side="left"))


def test_the_own_size_is_the_model_itself(vlm: VLM, records: list[Record]) -> None:
    same = vlm.at_resolution(vlm.resolution)
    assert same.model is vlm.model
    assert same.processor is vlm.processor


def test_coming_back_is_as_if_it_had_never_been_left(vlm: VLM, records: list[Record]) -> None:
    before = vlm.last_states(vlm.encode(records[:3]), KINDS)
    away = vlm.at_resolution(16)
    back = away.at_resolution(vlm.resolution)
    assert settings(back) == settings(vlm)
    after = back.last_states(back.encode(records[:3]), KINDS)
    there = away.last_states(away.encode(records[:3]), KINDS)
    for kind in KINDS:
        torch.testing.assert_close(after.parts[kind], before.parts[kind])
        assert not torch.allclose(there.parts[kind], before.parts[kind], atol=1e-2)
    twice, once = (view.at_resolution(32) for view in (away, vlm))
    for one, two in zip(twice.model.parameters(), once.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_model_given_stays_as_it_was(vlm: VLM, records: list[Record]) -> None:
    config, before = cast(Any, vlm.model).config.to_dict(), settings(vlm)
    view = vlm.at_resolution(16)
    view.last_states(view.encode(records[:2]))
    assert cast(Any, vlm.model).config.to_dict() == config
    assert settings(vlm) == before != settings(view)
    assert vlm.resolution != 16
    assert view.processor.tokenizer is vlm.processor.tokenizer


def test_weights_are_shared_and_tell_the_same_model(vlm: VLM) -> None:
    view = vlm.at_resolution(16)
    whole = dict(vlm.model.named_parameters())
    for name, parameter in view.model.named_parameters():
        if "position_embedding" not in name:
            assert parameter.data_ptr() == whole[name].data_ptr()
        assert not parameter.requires_grad
    assert fingerprint(view, 2) == fingerprint(vlm, 2)
    assert fingerprint(view.truncated(1), 1) == fingerprint(vlm, 1)


def test_other_positions_are_another_model(llava_path: Path, llava: VLM) -> None:
    other = open_vlm(str(llava_path), device="cpu")
    with torch.no_grad():
        for name, parameter in other.model.named_parameters():
            if "position_embedding" in name:
                parameter.add_(1)
    views = [vlm.at_resolution(16) for vlm in (llava, other)]
    assert fingerprint(views[0], 1) != fingerprint(views[1], 1)


def test_it_can_be_cut_off_before_and_after(vlm: VLM, records: list[Record]) -> None:
    one, two = vlm.truncated(2).at_resolution(16), vlm.at_resolution(16).truncated(2)
    inputs = one.encode(records[:3])
    whole = vlm.at_resolution(16).last_states(inputs).residual
    for view in (one, two):
        assert view.resolution == 16
        assert torch.equal(view.last_states(inputs).residual, whole[:, :2])
    seeing = vlm.at_resolution(16).seeing(1)
    expected = vlm.at_resolution(16).last_states(inputs, ["vision"]).parts["vision"]
    assert torch.equal(seeing.last_states(inputs, ["vision"]).parts["vision"], expected[:, :1])


@pytest.mark.parametrize("acceleration", ["off", "lean"])
def test_an_early_exit_sees_it_too(vlm: VLM, records: list[Record], acceleration: Any) -> None:
    view = vlm.at_resolution(16)
    inputs = view.encode(records[:3])
    leave = EarlyExit(view, [1, 2, 2], [0, 3, 5], acceleration=acceleration)
    states = view.last_states(inputs).residual[:, [0, 1, 1], [0, 3, 5]]
    torch.testing.assert_close(leave(inputs), states, rtol=1e-3, atol=1e-3)
    assert leave.path == acceleration


@pytest.mark.parametrize("side", [12, 16, 24])
def test_a_picture_that_keeps_its_shape_gets_smaller(qwen: VLM, side: int) -> None:
    pictures = [Image.new("RGB", size, "teal") for size in ((64, 64), (128, 32), (20, 20))]
    rows = [Record((picture,), "Why?") for picture in pictures]
    view = qwen.at_resolution(side)
    assert (view.resolution, qwen.resolution) == (side, 32)
    inputs = view.encode(rows)
    grids = inputs.tensors["image_grid_thw"]
    patches = grids.prod(dim=1)
    assert (patches * 4 * 4 <= side**2 * 1.34).all()  # rounded to whole tokens of 8 × 8
    assert (patches < qwen.encode(rows).tensors["image_grid_thw"].prod(dim=1))[:2].all()
    assert grids[1, 2] > grids[1, 1]
    assert view.last_states(inputs).residual.isfinite().all()
    assert image_tokens(view, rows) == (patches // 4).tolist()


@pytest.mark.parametrize("side", [16, 24, 32])
def test_frames_of_which_a_picture_has_several_do_not_make_it_smaller(
    tmp_path: Path, side: int
) -> None:
    """GLM-4.1V's sizes count each of the two frames that are folded into a patch."""
    whole = open_vlm(str(savers()["glm4v"](tmp_path / "glm4v")), device="cpu")
    assert whole.resolution == 32
    vlm = whole.at_resolution(side)
    assert vlm.resolution == side
    square = Record((Image.new("RGB", (100, 100)),), "Why?")
    assert image_tokens(vlm, [square]) == [(side // 8) ** 2]


@pytest.mark.parametrize("pixels", [0, -8, 8.0, True, "8", None])
def test_no_number_of_pixels_is_refused(vlm: VLM, pixels: Any) -> None:
    with pytest.raises(ModelError, match="cannot see pictures") as caught:
        vlm.at_resolution(pixels)
    assert "no whole number" in str(caught.value)


def test_a_size_that_the_tower_cannot_see_is_refused(llava: VLM, qwen: VLM) -> None:
    with pytest.raises(ModelError) as caught:
        llava.at_resolution(8 * 46 + 1)
    assert [problem.what for problem in caught.value.problems] == [
        "no multiple of a patch of 8 pixels",
        "2,116 image tokens, and the model takes 2,048 tokens in all",
    ]
    assert caught.value.mend == "Choose a multiple of 8; it was made for 24."
    with pytest.raises(ModelError, match="7 × 7 pixels") as caught:
        qwen.at_resolution(7)
    assert "Choose 8 or more" in str(caught.value)


def test_a_tower_of_another_type_is_refused(llava: VLM) -> None:
    tower = torch.nn.Sequential(torch.nn.Linear(2, 2))
    family = llava.family
    model = torch.nn.Module()
    model.model = torch.nn.Module()
    model.model.vision_tower = tower
    with pytest.raises(ModelError, match="no learned positions"):
        resolution_of(model, llava.processor, family)


def test_a_tower_without_a_class_token_is_known() -> None:
    """SigLIP has positions for patches alone."""
    config = SiglipVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=24, patch_size=8,
    )  # fmt: skip
    tower = SiglipVisionModel(config).eval()
    table = next(m for m in tower.modules() if isinstance(m, torch.nn.Embedding))
    assert math.isqrt(len(table.weight)) ** 2 == len(table.weight)
    pixels = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        expected = tower(pixels, interpolate_pos_encoding=True).last_hidden_state
        embeddings = next(m for m in tower.modules() if hasattr(m, "patch_embedding"))
        own = embeddings(pixels, interpolate_pos_encoding=True) - embeddings.patch_embedding(
            pixels
        ).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ResizedPositions(table.weight, 4).weight, own[0])
    assert expected.shape == (1, 16, 16)


@pytest.mark.parametrize("pixels", [8, 24, 28, 64, 128])
def test_a_tower_that_drops_pixels_at_the_edge_can_be_resized(
    tmp_path: Path, records: list[Record], pixels: int
) -> None:
    """28 pixels in patches of 8: no multiple, as 384 in patches of 14."""
    siglip = open_vlm(str(savers()["llava_siglip"](tmp_path)), device="cpu")
    view = siglip.at_resolution(pixels)
    assert view.resolution == pixels
    assert image_tokens(view, records[:2]) == [(pixels // 8) ** 2] * 2
    states = view.last_states(view.encode(records[:2])).residual
    assert states.isfinite().all()
    back = view.at_resolution(16).at_resolution(28)
    expected = siglip.last_states(siglip.encode(records[:2])).residual
    torch.testing.assert_close(back.last_states(back.encode(records[:2])).residual, expected)
    with pytest.raises(ModelError, match="made for 28"):
        view.at_resolution(30)


def test_a_processor_that_crops_goes_on_cropping(llava: VLM) -> None:
    """What is cut away stays the same share of a picture."""
    processor = at_resolution(llava.model, llava.processor, llava.family, 48)[1]
    assert settings_of(processor) == {
        "size": {"height": 48, "width": 48}, "crop_size": {"height": 48, "width": 48},
    }  # fmt: skip
    pictures = llava.processor.image_processor
    native = dict(pictures.to_dict()["size"])
    pictures.size = type(pictures.size)(shortest_edge=30)
    try:
        processor = at_resolution(llava.model, llava.processor, llava.family, 48)[1]
    finally:
        pictures.size = type(pictures.size)(**native)
    assert settings_of(processor)["size"] == {"shortest_edge": 60}


def settings_of(processor: Any) -> dict[str, Any]:
    found = processor_settings(processor)
    return {name: found[name] for name in ("size", "crop_size")}
