from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, CLIPVisionConfig, LlamaConfig, LlavaConfig

from superneurons.errors import ModelError
from superneurons.vlm import finder
from superneurons.vlm.family import Family, family_of
from superneurons.vlm.finder import described_or_found, found_family
from tiny_families import savers


@pytest.fixture(scope="module", params=sorted(savers()))
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    save: Callable[[Path], Path] = savers()[request.param]
    return AutoConfig.from_pretrained(save(tmp_path_factory.mktemp("found") / request.param))


def test_looking_finds_what_is_described(config: Any) -> None:
    found, described = found_family(config), family_of(config)
    for name in ("model_class", "trunk", "decoder", "layers", "norm", "vision"):
        assert getattr(found, name) == getattr(described, name), name
    for kind, name in (("mlp", "mlp_output"), ("heads", "heads_output")):
        if kind not in (*found.lacks, *described.lacks):
            assert getattr(found, name) == getattr(described, name), name
        if kind in described.lacks:
            assert kind in found.lacks
    assert {"vision", "projector"} <= set(found.lacks)
    assert not found.resizable


def tiny_config() -> LlavaConfig:
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=24, patch_size=8,
        ),
        text_config=LlamaConfig(
            vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
            num_attention_heads=4,
        ),
    )  # fmt: skip


def altered(monkeypatch: pytest.MonkeyPatch, change: Callable[[nn.Module], None]) -> Any:
    """A configuration whose model comes out changed."""
    built = finder._built

    def build(config: Any) -> nn.Module:
        model = built(config)
        change(model)
        return model

    monkeypatch.setattr(finder, "_built", build)
    return tiny_config()


def renamed(path: str, name: str) -> Callable[[nn.Module], None]:
    def change(model: nn.Module) -> None:
        owner, _, old = path.rpartition(".")
        parent = model.get_submodule(owner)
        child = parent.get_submodule(old)
        delattr(parent, old)
        parent.add_module(name, child)

    return change


def found_in(monkeypatch: pytest.MonkeyPatch, path: str, name: str) -> Family:
    return found_family(altered(monkeypatch, renamed(path, name)))


def test_other_names_of_layers_and_norm_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_in(monkeypatch, "model.language_model.layers", "blocks")
    assert found.layers == "model.language_model.blocks"
    monkeypatch.undo()
    found = found_in(monkeypatch, "model.language_model.norm", "ln_f")
    assert found.norm == "model.language_model.ln_f"


def test_another_trunk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(model: Any) -> None:
        embeddings = model.get_input_embeddings()
        renamed("model", "body")(model)
        model.get_input_embeddings = lambda: embeddings

    found = found_family(altered(monkeypatch, change))
    assert (found.trunk, found.decoder) == ("body", "body.language_model")


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (
            lambda m: m.model.language_model.layers.append(nn.Identity()),
            "language_model",
            "0 lists",
        ),
        (
            lambda m: m.model.language_model.add_module("norm2", nn.LayerNorm(32)),
            "language_model",
            "2 norms",
        ),
        (lambda m: m.model.add_module("vision_tower", nn.Identity()), "vision tower", "CLIPVision"),
        (lambda m: m.add_module("model", nn.Identity()), "trunk", "0 parts"),
    ],
)
def test_what_is_not_found_is_named(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None], where: str, what: str
) -> None:
    embeddings = "get_input_embeddings"
    config = altered(monkeypatch, change)
    built = finder._built(config)
    monkeypatch.setattr(finder, "_built", lambda _: built)
    kept = nn.Embedding(64, 32, device="meta")
    if not hasattr(built.model, embeddings):  # the trunk that was taken away held them
        monkeypatch.setattr(built, embeddings, lambda: kept)
    with pytest.raises(ModelError) as caught:
        found_family(config)
    assert any(where in p.where and what in p.what for p in caught.value.problems)
    assert "families" in str(caught.value)


def test_a_site_that_some_layers_lack_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_in(monkeypatch, "model.language_model.layers.1.mlp.down_proj", "out")
    assert "mlp" in found.lacks
    assert "heads" not in found.lacks
    monkeypatch.undo()
    found = found_in(monkeypatch, "model.language_model.layers.1.self_attn.o_proj", "out")
    assert "heads" in found.lacks
    assert "mlp" not in found.lacks


def test_a_type_that_answers_nothing_about_pictures_is_refused() -> None:
    with pytest.raises(ModelError, match="'llama' are not supported"):
        found_family(LlamaConfig())


def test_all_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config()
    model = finder._built(config)
    monkeypatch.setattr(finder, "_built", lambda _: model)
    bare = SimpleNamespace(
        model_type="llava", is_encoder_decoder=True, get_text_config=config.get_text_config
    )
    with pytest.raises(ModelError) as caught:
        found_family(bare)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["is_encoder_decoder", "vision_config", "image_token_id"]


def test_what_cannot_be_built_says_why() -> None:
    config = tiny_config()
    config.text_config.num_attention_heads = 0
    with pytest.raises(ModelError, match="cannot be built here"):
        found_family(config)


def test_nothing_is_loaded() -> None:
    built = finder._built(tiny_config())
    assert all(p.device == torch.device("meta") for p in built.parameters())


def test_a_description_comes_before_looking(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "found_family", lambda _: pytest.fail("it was looked for"))
    assert described_or_found(config) is family_of(config)


def test_a_tower_that_no_description_is_for_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    described = replace(family_of(tiny_config()), tower_types=("another",))
    monkeypatch.setattr(finder, "families", lambda: {"llava": (described,)})
    assert described_or_found(tiny_config()).name == "llava (found)"
    monkeypatch.setattr(finder, "families", dict)
    assert described_or_found(tiny_config()).name == "llava (found)"
