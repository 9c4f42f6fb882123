"""Checkpoints cut off after a layer."""

from __future__ import annotations

import copy
from dataclasses import replace
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


def test_what_is_narrow_or_no_number_stays_as_it_is(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "wide": torch.ones(2, dtype=torch.float64),
        "narrow": torch.ones(2, dtype=torch.float8_e4m3fn),
        "alike": torch.ones(2, dtype=torch.float16),
        "whole": torch.ones(2, dtype=torch.int64),
        "turned": torch.ones(2, 3).T,
    }
    monkeypatch.setattr("superneurons.export.checkpoint.map_tensors", lambda *_: dict(given))
    found = cut_tensors(source_of(llava), llava.family, 1, {}, torch.bfloat16)
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        "wide": torch.bfloat16, "narrow": torch.float8_e4m3fn, "alike": torch.float16,
        "whole": torch.int64, "turned": torch.bfloat16,
    }  # fmt: skip
    assert list(found) == sorted(given), "the same export gives the same file"
    assert all(tensor.is_contiguous() for tensor in found.values())


def test_a_model_is_found_again_at_its_commit(
    llava: VLM, llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source_of(llava) == source_of(replace(llava, revision=None))
    assert source_of(llava).path == str(llava_path)
    asked: dict[str, object] = {}
    monkeypatch.setattr(
        "superneurons.export.checkpoint.locate", lambda name, **how: asked.update(how)
    )
    source_of(replace(llava, revision="abc"), trust_remote_code=True)
    assert asked == {"revision": "abc", "trust_remote_code": True}


def test_a_norm_of_another_name_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="isn't found among its weights: none"):
        cut_tensors(source_of(llava), llava.family, 1, {"scale": torch.ones(32)}, torch.float32)


def test_norms_within_layers_are_not_the_last_one(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(llava)
    names = dict(weight_map(source))
    last = next(name for name in names if name.endswith("model.norm.weight"))
    inside = last.replace("model.norm", "model.layers.3.norm")
    monkeypatch.setattr(
        "superneurons.export.checkpoint.weight_map", lambda _: names | {inside: "file"}
    )
    found = cut_tensors(source, llava.family, 1, {"weight": torch.full((32,), 5.0)}, torch.float32)
    assert bool((found[last] == 5).all())
    assert inside not in found
    monkeypatch.setattr(
        "superneurons.export.checkpoint.weight_map", lambda _: names | {"other.norm.weight": "file"}
    )
    with pytest.raises(ModelError, match=r"norm\.weight.*other\.norm\.weight") as refused:
        cut_tensors(source, llava.family, 1, NORM, torch.float32)
    assert refused.value.where == "norm.weight"


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


def test_only_lists_about_layers_are_cut(llava: VLM) -> None:
    config = copy.deepcopy(source_of(llava).config)
    text = config.get_text_config()
    text.layer_scales, text.windows = [1, 2, 3, 4], [1, 2, 3, 4]
    text.layers_read, text.layer_note = [1, 2], "four"
    cut = cut_config(config, 3, ["a", "b"]).get_text_config()
    assert (cut.layer_scales, cut.windows) == ([1, 2, 3], [1, 2, 3, 4])
    assert (cut.layers_read, cut.layer_note) == ([1, 2], "four")
    assert text.layer_scales == [1, 2, 3, 4]


@pytest.mark.parametrize(("own", "given", "found"), [(None, 7, 7), (5, 7, 5), (0, 7, 0)])
def test_what_batches_are_padded_with_is_named(
    llava: VLM, own: int | None, given: int, found: int
) -> None:
    config = copy.deepcopy(source_of(llava).config)
    config.get_text_config().pad_token_id = own
    cut = cut_config(config, 1, ["a", "b"], pad_token_id=given)
    assert cut.get_text_config().pad_token_id == found
    assert cut.problem_type == cut.get_text_config().problem_type == "single_label_classification"


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


def test_layers_of_a_tower_are_not_the_decoders(llava: VLM) -> None:
    config, rows = source_of(llava).config, torch.ones(3, 2, dtype=torch.float16)
    tower = {
        f"vision_tower.layers.{n}.mlp.{name}.weight": rows
        for n in (0, 1) for name in ("gate_proj", "up_proj", "down_proj")
    }  # fmt: skip
    assert not has_room_for_constant(config, tower, 1)
    own = {name.replace("vision_tower", "model"): rows for name in tower}
    assert has_room_for_constant(config, tower | own, 2)
    assert not has_room_for_constant(config, tower | own, 3)
    twice = {name.replace("model", "other"): rows for name in own}
    assert not has_room_for_constant(config, own | twice, 1), "which of them is it?"
    kept = tower | own | {"model.layers.1.mlp.down_proj.bias": torch.full((3,), 0.5).half()}
    config = copy.deepcopy(config)
    add_constant(config, kept, 2, torch.tensor([1.0, 2.0, 1e-6]))
    added = {name: value for name, value in kept.items() if name.endswith("bias")}
    assert len(added) == 6
    last = added.pop("model.layers.1.mlp.down_proj.bias")
    assert last.tolist() == pytest.approx([1.5, 2.5, 0.500001], abs=1e-7)
    assert all(value.dtype == torch.float16 and not value.any() for value in added.values())
    assert config.get_text_config().mlp_bias is True


@pytest.mark.parametrize("hub", [False, True])
def test_every_file_of_a_processor_is_known(
    llava: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: bool
) -> None:
    here, there = tmp_path / "model", tmp_path / "out"
    wanted = [
        "added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt",
        "preprocessor_config.json", "processor_config.json", "special_tokens_map.json",
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
        "video_preprocessor_config.json", "vocab.json", "vocab.txt",
    ]  # fmt: skip
    others = ["config.json", "model.safetensors", "tokenizer_own.py", "README.md"]
    for directory in (here, there, here / "tokenizer_files"):
        directory.mkdir()
    for name in (*wanted, *others):
        (here / name).write_text(name)
    source = replace(source_of(llava), path=str(here))
    if hub:
        source = replace(source, path="some/model", revision="abc")
        files = {("some/model", "config.json", "abc"): here / "config.json"}
        monkeypatch.setattr(
            "superneurons.export.checkpoint.hub_file", lambda *asked: files.get(asked)
        )
    assert copy_processor(source, there) == wanted
    assert {path.name: path.read_text() for path in there.iterdir()} == {n: n for n in wanted}


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
