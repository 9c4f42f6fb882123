"""Checkpoints cut off after a layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.export.checkpoint import (
    add_constant,
    copy_processor,
    cut_config,
    cut_tensors,
    has_room_for_constant,
    source_of,
)
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.source import locate, weight_map
from tiny_families import savers

NORM = {"weight": torch.ones(32)}


def test_only_the_first_layers_and_the_new_norm(llava: VLM) -> None:
    source = source_of(llava)
    found = cut_tensors(source, llava.family, 2, NORM, torch.float32)
    names = weight_map(source).keys()
    assert found.keys() < names
    gone = names - found.keys()
    assert all(".layers.2." in name or ".layers.3." in name or "lm_head" in name for name in gone)
    norm = next(name for name in found if name.endswith("model.norm.weight"))
    assert bool((found[norm] == 1).all())


def test_wider_tensors_are_narrowed(llava: VLM) -> None:
    found = cut_tensors(source_of(llava), llava.family, 1, NORM, torch.float16)
    assert {tensor.dtype for tensor in found.values()} == {torch.float16}
    wide = cut_tensors(source_of(llava), llava.family, 1, NORM, torch.float32)
    assert {tensor.dtype for tensor in wide.values()} == {torch.float32}


def test_a_norm_of_another_name_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="isn't found among its weights"):
        cut_tensors(source_of(llava), llava.family, 1, {"scale": torch.ones(32)}, torch.float32)


def test_labels_and_depth_stand_in_both_configurations(tmp_path: Path) -> None:
    config = locate(str(savers()["gemma3"](tmp_path / "model"))).config
    whole = config.to_dict()
    cut = cut_config(config, 3, ["a", "b", "c"], pad_token_id=7)
    assert config.to_dict() == whole
    text = cut.get_text_config()
    assert text.num_hidden_layers == len(text.layer_types) == 3
    assert cut.id2label == text.id2label == {0: "a", 1: "b", 2: "c"}
    assert cut.num_labels == text.num_labels == 3
    cut.save_pretrained(tmp_path / "cut")
    again = locate(str(tmp_path / "cut")).config
    assert again.label2id == again.get_text_config().label2id == {"a": 0, "b": 1, "c": 2}


def test_a_window_ends_where_the_layers_do(tmp_path: Path) -> None:
    config = locate(str(savers()["qwen2_vl"](tmp_path / "model"))).config
    text = cut_config(config, 1, ["a", "b"], pad_token_id=7).get_text_config()
    assert text.max_window_layers <= 1
    assert text.pad_token_id is not None


@pytest.mark.parametrize("depth", [1, 3])
def test_the_last_layer_adds_a_constant(llava: VLM, depth: int, tmp_path: Path) -> None:
    """A model with the constant leaves what the model without it does, moved by it."""
    from safetensors.torch import save_file
    from transformers import AutoModel

    source = source_of(llava)
    constant = torch.linspace(-1, 1, 32)
    pixels, ids = torch.randn(1, 3, 24, 24), torch.tensor([[3] * 9 + [20, 21, 22]])
    left = []
    for move in (False, True):
        config = cut_config(source.config, depth, ["a", "b"])
        tensors = cut_tensors(source, llava.family, depth, NORM, torch.float32)
        assert has_room_for_constant(config, tensors, depth)
        if move:
            add_constant(config, tensors, depth, constant)
        save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
        config.save_pretrained(tmp_path)
        model = AutoModel.from_pretrained(tmp_path).eval()
        model.language_model.norm = torch.nn.Identity()
        with torch.inference_mode():
            left.append(model(input_ids=ids, pixel_values=pixels).last_hidden_state)
    torch.testing.assert_close(left[1] - left[0], constant.expand_as(left[0]), atol=1e-4, rtol=1e-4)


def test_other_decoders_have_no_room(tmp_path: Path) -> None:
    vlm = open_vlm(str(savers()["llava_next_granite"](tmp_path / "model")), device="cpu")
    source = source_of(vlm)
    assert source.config.get_text_config().mlp_bias is False
    tensors = cut_tensors(source, vlm.family, 1, NORM, torch.float32)
    assert not has_room_for_constant(source.config, tensors, 1)


def test_the_processor_comes_along_and_nothing_else(llava_path: Path, tmp_path: Path) -> None:
    source = locate(str(llava_path))
    (llava_path / "modeling_own.py").write_text("")
    (llava_path / "training_args.json").write_text("{}")
    copied = copy_processor(source, tmp_path)
    for name in ("modeling_own.py", "training_args.json"):
        (llava_path / name).unlink()
    assert copied == [
        "chat_template.jinja", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == copied
