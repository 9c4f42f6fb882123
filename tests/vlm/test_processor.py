from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.family import families
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.processor import load_processor, processor_settings, settings_apart
from tiny_families import savers


def test_every_picture_takes_the_tokens_it_needs(vlm: VLM) -> None:
    small = Record((Image.new("RGB", (16, 16)),), "Why?")
    wide = Record((Image.new("RGB", (60, 20)),), "Why?")
    inputs = vlm.encode([small, wide])
    image_token = vlm.model.config.image_token_id
    counts = (inputs.tensors["input_ids"] == image_token).sum(dim=1).tolist()
    if vlm.family.picture_tokens is None:  # fixed size: 24 × 24 pixels in patches of 8
        assert counts == [9, 9]
    else:  # native size: the wide picture takes more
        grid = inputs.tensors["image_grid_thw"].prod(dim=1) // 4
        assert counts == grid.tolist()
        assert counts[1] > counts[0]


def test_picture_tokens_are_marked_for_the_position_ids(vlm: VLM, records: list[Record]) -> None:
    tensors = vlm.encode(records[:2]).tensors
    if "mm_token_type_ids" in tensors:
        marked = tensors["mm_token_type_ids"].bool()
        assert torch.equal(marked, tensors["input_ids"] == vlm.model.config.image_token_id)


@pytest.mark.parametrize("name", ["glm4v", "qwen2_5_vl"])
def test_a_class_that_wants_videos_is_loaded_without(tmp_path: Path, name: str) -> None:
    path = savers()[name](tmp_path / name)
    family = families()[name][0]
    processor = load_processor(str(path), family)
    assert type(processor).__name__ == family.processor
    picture, text = Image.new("RGB", (24, 32)), f"{family.picture_mark} Why?"
    given = processor(images=[[picture]], text=[text], return_tensors="pt")
    placeholder = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    pictures = given["input_ids"] == placeholder
    assert pictures.sum() == 12
    assert torch.equal(given["mm_token_type_ids"].bool(), pictures)


def test_settings_are_plain_json_and_follow_the_processor(vlm: VLM) -> None:
    settings = processor_settings(vlm.processor)
    assert json.loads(json.dumps(settings)) == settings
    assert settings["image_mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    before = vlm.processor.image_processor.image_mean
    vlm.processor.image_processor.image_mean = [0.5, 0.5, 0.5]
    try:
        assert processor_settings(vlm.processor) != settings
    finally:
        vlm.processor.image_processor.image_mean = before


def test_how_pictures_are_tiled_is_a_setting(tmp_path: Path) -> None:
    path = savers()["llava_next"](tmp_path / "llava_next")
    pictures = load_processor(str(path), families()["llava_next"][0])
    settings = processor_settings(pictures)
    grids = pictures.image_processor.image_grid_pinpoints
    assert settings["image_grid_pinpoints"] == [list(grid) for grid in grids]
    pictures.image_processor.image_grid_pinpoints = grids[:-1]
    assert processor_settings(pictures) != settings


def test_what_is_missing_beside_the_weights_is_said(llava_path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(llava_path, tmp_path / "model"))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="processor"):
        open_vlm(str(copy), device="cpu")


def test_of_settings_only_what_differs_is_said(vlm: VLM) -> None:
    now = processor_settings(vlm.processor)
    assert list(settings_apart(now, processor_settings(vlm.processor), "p")) == []
    then = {name: value for name, value in now.items() if name != "image_mean"} | {"max_crops": 3}
    assert list(settings_apart(then, now, "p")) == [
        ("p.image_mean", None, now["image_mean"]), ("p.max_crops", 3, None),
    ]  # fmt: skip
    assert list(settings_apart({"size": 3}, {"size": {"height": 3}}, "p")) == [
        ("p.size", 3, {"height": 3})
    ]


@pytest.mark.parametrize("then", [None, {}, "0" * 64, 3])
def test_settings_that_were_never_kept_are_told_apart_as_a_whole(then: object) -> None:
    now = {"size": {"height": 3}}
    assert list(settings_apart(then, now, "p")) == [("p", then, now)]
    assert list(settings_apart(now, then, "p")) == [("p", now, then)]
