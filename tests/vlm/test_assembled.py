from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from superneurons.errors import ModelError
from superneurons.vlm.family import families
from superneurons.vlm.processor import load_processor, processor_settings
from tiny_families.idefics import SAVERS

SMOLVLM = families()["smolvlm"][0]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolVLM2 as it is on the hub: of a class that wants videos, in files of their own."""
    made = SAVERS["smolvlm"](tmp_path_factory.mktemp("hub") / "smolvlm")
    whole = json.loads((made / "processor_config.json").read_text())
    pictures = whole.pop("image_processor")
    named = {"image_processor_type": "SmolVLMImageProcessor", "processor_class": "SmolVLMProcessor"}
    unused = {"video_sampling": {"fps": 1, "max_frames": 64}}
    (made / "preprocessor_config.json").write_text(json.dumps(pictures | named | unused))
    whole["processor_class"] = "SmolVLMProcessor"
    (made / "processor_config.json").write_text(json.dumps(whole))
    return made


def test_its_parts_have_the_settings_of_the_checkpoint(path: Path) -> None:
    processor = load_processor(str(path), SMOLVLM)
    assert processor.image_seq_len == 4
    settings = processor_settings(processor)
    assert settings["size"] == {"longest_edge": 32}
    assert settings["max_image_size"] == {"longest_edge": 16}
    assert settings["do_image_splitting"] is True
    assert processor.chat_template == (path / "chat_template.jinja").read_text()
    assert processor.image_processor.backend == "pil"


@pytest.mark.parametrize(("size", "rows", "columns"), [((16, 48), 2, 1), ((31, 30), 2, 2)])
def test_a_picture_becomes_what_smolvlm_makes_of_it(
    path: Path, size: tuple[int, int], rows: int, columns: int
) -> None:
    processor = load_processor(str(path), SMOLVLM)
    inputs = processor(
        images=[[Image.new("RGB", size, "red")]], text=["<image>Why?"], return_tensors="pt"
    )
    expected = get_image_prompt_string(
        rows, columns, 4, "<fake_token_around_image>", "<image>", "<global-img>"
    )
    assert processor.tokenizer.decode(inputs["input_ids"][0]) == expected + "Why?"
    assert inputs["pixel_values"].shape == (1, rows * columns + 1, 3, 16, 16)


def test_a_checkpoint_without_its_parts_is_refused(path: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((path / name).read_bytes())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_processor(str(tmp_path), SMOLVLM)
