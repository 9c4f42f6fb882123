from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.tower import tower_layers
from tiny_models import save_llava


def test_a_cut_model_has_the_fingerprint_of_what_it_runs(vlm: VLM) -> None:
    assert fingerprint(vlm.truncated(2), 2) == fingerprint(vlm, 2)
    assert len({fingerprint(vlm, depth) for depth in (1, 2, 3, 4)}) == 4


def test_opening_again_gives_the_same(vlm: VLM) -> None:
    assert fingerprint(open_vlm(vlm.name, device="cpu"), 4) == fingerprint(vlm, 4)


def test_other_weights_or_another_dtype_give_another(llava: VLM, tmp_path: Path) -> None:
    other = open_vlm(str(save_llava(tmp_path / "other", seed=1)), device="cpu")
    assert fingerprint(other, 1) != fingerprint(llava, 1)
    half = open_vlm(llava.name, device="cpu", dtype="float16")
    assert fingerprint(half, 1) != fingerprint(llava, 1)


def test_what_comes_after_the_exit_does_not_matter(tmp_path: Path) -> None:
    vlm = open_vlm(str(save_llava(tmp_path / "model")), device="cpu")
    before = [fingerprint(vlm, depth) for depth in (2, 3)]
    with torch.no_grad():
        vlm.layers[2].mlp.down_proj.weight += 1
    after = [fingerprint(vlm, depth) for depth in (2, 3)]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_layers_of_the_tower_that_nothing_reads_do_not_matter(tmp_path: Path) -> None:
    """LLaVA reads the last but one of its two."""
    vlm = open_vlm(str(save_llava(tmp_path / "model")), device="cpu")
    before = [fingerprint(vlm, 1), *(fingerprint(vlm, 0, tower=layers) for layers in (1, 2))]
    assert len(set(before)) == 3
    assert before[1] == fingerprint(vlm, 0) == fingerprint(vlm.seeing(1), 0, tower=1)
    with torch.no_grad():
        tower_layers(vlm.model, vlm.family)[1].mlp.fc1.weight += 1  # type: ignore[operator,union-attr]
    after = [fingerprint(vlm, 1), *(fingerprint(vlm, 0, tower=layers) for layers in (1, 2))]
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, False]


@pytest.fixture
def tied(tmp_path: Path) -> VLM:
    """A model whose head is its embedding, stored once."""
    path = save_llava(tmp_path / "tied")
    config = json.loads((path / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (path / "config.json").write_text(json.dumps(config))
    tensors = load_file(path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "lm_head" not in name}
    assert len(kept) == len(tensors) - 1
    save_file(kept, path / "model.safetensors", {"format": "pt"})
    return open_vlm(str(path), device="cpu")


def test_tied_embeddings_count_once_and_are_cut_alike(tied: VLM, llava: VLM) -> None:
    head = tied.model.get_output_embeddings().weight  # type: ignore[operator]
    assert head is tied.model.get_input_embeddings().weight  # type: ignore[operator]
    # the head isn't among what runs up to a layer, so how it is stored doesn't matter
    assert fingerprint(tied, 2) == fingerprint(llava, 2)
    assert fingerprint(tied.truncated(2), 2) == fingerprint(tied, 2)


def test_each_part_that_runs_counts(tmp_path: Path) -> None:
    vlm = open_vlm(str(save_llava(tmp_path / "model")), device="cpu")
    parts = {
        "vision": vlm.model.get_submodule(vlm.family.vision[0]),
        "projector": vlm.model.get_submodule(vlm.family.projector[0]),
        "embeddings": vlm.model.get_input_embeddings(),  # type: ignore[operator]
        "first layer": vlm.layers[0],
    }
    found = {"as opened": fingerprint(vlm, 1)}
    for name, module in parts.items():
        with torch.no_grad():
            next(module.parameters()).mul_(1.5)
        found[name] = fingerprint(vlm, 1)
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("which", ["norm", "head"])
def test_norm_and_head_count_only_where_the_answer_is_read(tmp_path: Path, which: str) -> None:
    vlm = open_vlm(str(save_llava(tmp_path / "model")), device="cpu")
    before, whole = fingerprint(vlm, 4), fingerprint(vlm, 4, head=True)
    norm = vlm.model.get_submodule(vlm.family.norm)
    changed = norm if which == "norm" else vlm.model.get_output_embeddings()  # type: ignore[operator]
    with torch.no_grad():
        changed.weight.mul_(2)
    assert fingerprint(vlm, 4) == before
    assert fingerprint(vlm, 4, head=True) != whole
