from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from superneurons.vlm.molmo2_processor import load_molmo2_processor
from superneurons.vlm.processor import processor_settings
from tiny_families.molmo2 import save_molmo2

pytestmark = pytest.mark.skipif(
    not hasattr(transformers, "Molmo2Config"), reason="this release of transformers has no Molmo2"
)
own = pytest.mark.skipif(
    find_spec("torchvision") is None, reason="transformers' own needs torchvision"
)


def picture(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3))
    return Image.fromarray(noise.astype(np.uint8))


PICTURES = [[picture(30, 20), picture(9, 50)], [picture(16, 16)], [picture(30, 20)]]
TEXT = ["<|image|> Is <|image|> it?", "<|image|>Why is it so?", "No<|image|>"]
OPTIONS: dict[str, Any] = {"padding": True, "padding_side": "left", "return_tensors": "pt"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_molmo2(tmp_path_factory.mktemp("molmo2"))


@pytest.fixture(scope="module")
def processor(path: Path) -> Any:
    return load_molmo2_processor(str(path), backend="pil")


def test_a_picture_is_a_small_view_and_rows_of_tokens(processor: Any) -> None:
    made = processor(images=PICTURES, text=TEXT, **OPTIONS)
    found = processor.tokenizer.batch_decode(made["input_ids"])
    for text, number in zip(found[1:], (2, 3), strict=True):
        small, large = text.split("<low_res_im_start>")[1].split("<im_start>")
        low_rows, low_columns, rows, columns = made["image_grids"][number].tolist()
        assert small == ("<im_patch>" * low_columns + "<im_col>") * low_rows + "<im_end>"
        lines = ("<im_patch>" * columns + "<im_col>") * rows + "<im_end>"
        assert large.split("Why")[0] == lines
    patches = (made["input_ids"] == processor.tokenizer.convert_tokens_to_ids("<im_patch>")).sum()
    assert len(made["image_token_pooling"]) == patches
    assert (made["mm_token_type_ids"].sum(dim=1) > 0).all()


def test_crops_are_counted_and_pictures_keep_their_order(processor: Any) -> None:
    made = processor(images=PICTURES, text=TEXT, **OPTIONS)
    crops = made["image_num_crops"].tolist()
    assert sum(crops) == len(made["pixel_values"])
    assert crops[0] == crops[3]
    assert crops[0] != crops[2]
    alone = processor(images=PICTURES[2:], text=TEXT[2:], **OPTIONS)
    torch.testing.assert_close(made["pixel_values"][-crops[3] :], alone["pixel_values"])


def test_a_plain_picture_stays_plain(processor: Any) -> None:
    grey = Image.new("RGB", (37, 21), (51, 102, 204))
    made = processor(images=[[grey]], text=["<|image|>"], **OPTIONS)
    values = made["pixel_values"].reshape(-1, 3).unique(dim=0)
    torch.testing.assert_close(values, torch.tensor([[51.0, 102, 204]]) / 127.5 - 1)


def test_the_settings_are_the_checkpoints_own(path: Path, tmp_path: Path) -> None:
    save_molmo2(tmp_path)
    settings = tmp_path / "processor_config.json"
    changed = {**json.loads(settings.read_text()), "image_use_col_tokens": False}
    settings.write_text(json.dumps(changed))
    made = load_molmo2_processor(str(tmp_path))(images=[[picture(9, 9)]], text=["<|image|>"])
    assert "<im_col>" not in load_molmo2_processor(str(path)).tokenizer.decode(made["input_ids"][0])


def test_how_crops_are_made_is_among_its_settings(processor: Any) -> None:
    settings = processor_settings(processor)
    names = ("max_crops", "overlap_margins", "pooling_size")
    assert [settings[name] for name in names] == [4, [1, 1], [2, 2]]


@own
def test_it_is_the_one_of_transformers(processor: Any) -> None:
    from transformers import Molmo2ImageProcessor, Molmo2Processor, Molmo2VideoProcessor

    pictures = Molmo2ImageProcessor(**processor.image_processor.to_dict())
    theirs = Molmo2Processor(pictures, Molmo2VideoProcessor(), processor.tokenizer)
    expected = theirs(images=PICTURES, text=TEXT, **OPTIONS)
    found = processor(images=PICTURES, text=TEXT, **OPTIONS)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)
