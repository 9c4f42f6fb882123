from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from superneurons.errors import ModelError
from superneurons.vlm.family import families
from superneurons.vlm.pixtral_processor import load_pixtral_processor
from superneurons.vlm.processor import load_processor
from tiny_families.pixtral import save_mistral3, save_pixtral

SAVERS = {1: save_pixtral, 2: save_mistral3}
"""By how many patches along a side are merged into one token."""


def picture(width: int, height: int) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (ramp, ramp.rotate(180), ramp))


PICTURES = [[picture(28, 28), picture(20, 48)], [picture(40, 24)], [picture(5, 3)]]
TEXT = ["[IMG] Is [IMG] it?", "[IMG]Why is it so?", "No[IMG]"]
OPTIONS: dict[str, Any] = {"padding": True, "padding_side": "left", "return_tensors": "pt"}


@pytest.fixture(scope="module", params=sorted(SAVERS))
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    return SAVERS[request.param](tmp_path_factory.mktemp("pixtral")), request.param


def test_a_picture_is_rows_of_tokens(checkpoint: tuple[Path, int]) -> None:
    path, merge = checkpoint
    processor = load_pixtral_processor(str(path), backend="pil")
    made = processor(PICTURES, TEXT, **OPTIONS)
    step = 4 * merge
    # no side is longer than 32 pixels, and all are rounded up to whole tokens
    wanted = [(-(-h // step), -(-w // step)) for h, w in [(28, 28), (32, 13), (19, 32), (3, 5)]]
    assert (made["image_sizes"] // step).tolist() == [list(size) for size in wanted]
    shown = [
        "[IMG_BREAK]".join(["[IMG]" * columns] * rows) + "[IMG_END]" for rows, columns in wanted
    ]
    expected = [f"{shown[0]} Is {shown[1]} it?", f"{shown[2]}Why is it so?", f"No{shown[3]}"]
    found = processor.tokenizer.batch_decode(made["input_ids"])
    assert [text.replace("<pad>", "") for text in found] == expected
    assert (made["attention_mask"][:, -1] == 1).all()
    assert not bool((made["attention_mask"][:, 0] == 1).all())


def test_pictures_are_padded_to_the_largest(checkpoint: tuple[Path, int]) -> None:
    processor = load_pixtral_processor(str(checkpoint[0]), backend="pil")
    made = processor(PICTURES, TEXT, **OPTIONS)
    alone = processor([[picture(40, 24)]], TEXT[1:2], **OPTIONS)
    height, width = made["image_sizes"][2].tolist()
    assert alone["pixel_values"].shape == (1, 3, height, width)
    torch.testing.assert_close(
        made["pixel_values"][2, :, :height, :width], alone["pixel_values"][0]
    )
    assert not made["pixel_values"][2, :, height:].any()


@pytest.mark.skipif(find_spec("torchvision") is None, reason="transformers' own needs torchvision")
def test_it_is_the_one_of_transformers(checkpoint: tuple[Path, int]) -> None:
    from transformers.models.pixtral.processing_pixtral import PixtralProcessor

    ours = load_pixtral_processor(str(checkpoint[0]), backend="pil")
    own = PixtralProcessor.from_pretrained(str(checkpoint[0]), backend="pil")
    found, expected = ours(PICTURES, TEXT, **OPTIONS), own(PICTURES, TEXT, **OPTIONS)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)
    asked: list[Any] = [{"role": "user", "content": [{"type": "image"}]}]
    assert ours.apply_chat_template(asked) == own.apply_chat_template(asked)


def test_the_settings_are_the_checkpoints_own(tmp_path: Path) -> None:
    path = save_pixtral(tmp_path)
    settings = path / "processor_config.json"
    changed = {**json.loads(settings.read_text()), "image_break_token": "|", "patch_size": 8}
    settings.write_text(json.dumps(changed))
    made = load_pixtral_processor(str(path), backend="pil")([[picture(16, 16)]], ["[IMG]"])
    shown = load_pixtral_processor(str(path), backend="pil").tokenizer.decode(made["input_ids"][0])
    assert shown == "[IMG][IMG]|[IMG][IMG][IMG_END]"


def test_a_checkpoint_without_a_processor_is_refused(tmp_path: Path) -> None:
    family = next(family for family in families()["llava"] if family.name == "Pixtral")
    path = save_pixtral(tmp_path)
    (path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="processor"):
        load_processor(str(path), family)
