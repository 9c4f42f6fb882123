"""Every family on the configuration that ``transformers`` has for it: real sizes, no weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from superneurons.vlm.family import Family, families, family_of, part
from superneurons.vlm.taps import KINDS, head_dim, shape_of
from superneurons.vlm.tower import layers_read, tower_count, tower_layers

# Defaults that no model can be built of, and what checkpoints have in their place.
MENDED = {
    "aya_vision": {"vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152}},
    "fast_vlm": {"vision_config": {"model_type": "mobilenet_v2", "hidden_size": 1280}},  # no timm
}
EACH = [(kind, family) for kind, members in sorted(families().items()) for family in members]


@pytest.fixture(scope="module", params=EACH, ids=[f"{kind}, {each.name}" for kind, each in EACH])
def described(request: pytest.FixtureRequest) -> tuple[nn.Module, Family]:
    model_type, family = request.param
    if not hasattr(transformers, family.model_class):
        pytest.skip(f"this release of transformers has no {family.model_class}")
    parts = {"vision_config": family.tower_types, "text_config": family.text_types}
    chosen = {name: {"model_type": types[0]} for name, types in parts.items() if types}
    config = transformers.CONFIG_MAPPING[model_type](**chosen, **MENDED.get(model_type, {}))
    assert family_of(config) is family
    config.get_text_config().pad_token_id = None  # some defaults are beyond their own vocabulary
    with torch.device("meta"):
        return getattr(transformers, family.model_class)(config), family


def config_of(model: Any) -> Any:
    return model.config


def test_all_parts_are_where_it_says(described: tuple[nn.Module, Family]) -> None:
    model, family = described
    paths = (family.trunk, family.decoder, family.layers, family.norm)
    for path in (*paths, *family.vision, *family.projector):
        part(model, path, family=family.name)
    layers = part(model, family.layers, family=family.name)
    assert len(layers) == config_of(model).get_text_config().num_hidden_layers  # type: ignore[arg-type]


def test_its_settings_have_the_names_it_says(described: tuple[nn.Module, Family]) -> None:
    model, family = described
    config = config_of(model)
    assert isinstance(config.image_token_id, int)
    assert not isinstance(family.processor, str) or hasattr(transformers, family.processor)
    assert len(tower_layers(model, family)) == tower_count(config, family)
    assert layers_read(config, family) <= tower_count(config, family)


def test_every_site_has_a_shape_that_its_layers_have(described: tuple[nn.Module, Family]) -> None:
    model, family = described
    text = config_of(model).get_text_config()
    for kind in (kind for kind in KINDS if kind not in family.lacks):
        layers, width = shape_of(model, family, kind)
        if kind == "vision":
            assert layers == tower_count(config_of(model), family)
            norms = {p.shape[0] for p in tower_layers(model, family)[0].parameters() if p.ndim == 1}
            assert width in norms
        elif kind != "projector":
            assert layers == text.num_hidden_layers
        if kind == "heads":
            assert width % head_dim(model) == 0
        if kind == "residual":
            assert width == text.hidden_size
