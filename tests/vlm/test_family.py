from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.family import Family, families, family_of, part
from superneurons.vlm.model import VLM
from superneurons.vlm.taps import KINDS


def test_each_family_has_parts_where_it_says(vlm: VLM) -> None:
    family = vlm.family
    for path in (family.trunk, family.decoder, family.layers, *family.vision, *family.projector):
        part(vlm.model, path, family=family.name)


def test_every_module_of_the_folder_is_registered() -> None:
    assert {"llava", "qwen3_vl"} <= set(families())
    assert family_of(SimpleNamespace(model_type="llava")).name == "LLaVA-1.5"


def test_a_family_that_names_its_language_models_has_those_alone() -> None:
    def named(text: str) -> str:
        return family_of(
            SimpleNamespace(model_type="internvl", text_config=SimpleNamespace(model_type=text))
        ).name

    assert named("qwen2") == named("llama") == "InternVL"
    assert named("qwen3_moe") == "InternVL-MoE"


def test_an_unknown_family_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ModelError, match="'gpt2' are not supported") as caught:
        family_of(SimpleNamespace(model_type="gpt2"))
    assert all(model_type in str(caught.value) for model_type in ("llava", "qwen3_vl"))


def test_a_part_that_is_not_there_is_named(vlm: VLM) -> None:
    with pytest.raises(ModelError, match=r"no part 'model\.nowhere'"):
        part(vlm.model, "model.nowhere", family="LLaVA-1.5")


KNOWN = sorted({family.name: family for each in families().values() for family in each}.items())
every_family = pytest.mark.parametrize("family", [f for _, f in KNOWN], ids=[n for n, _ in KNOWN])


def config_of(family: Family) -> SimpleNamespace:
    """A configuration that belongs to a family: its first type of each kind."""
    parts = {"vision_config": family.tower_types, "text_config": family.text_types}
    inner = {name: SimpleNamespace(model_type=types[0]) for name, types in parts.items() if types}
    return SimpleNamespace(model_type=family.model_types[0], **inner)


@every_family
def test_a_family_is_found_by_the_types_that_it_names(family: Family) -> None:
    assert family_of(config_of(family)) is family
    for model_type in family.model_types:
        assert family in families()[model_type]


@every_family
def test_what_families_say_can_be_followed(family: Family) -> None:
    assert family.vision
    assert family.projector
    assert family.trunk == "" or family.decoder.startswith(family.trunk)
    assert family.layers == f"{family.decoder}.{family.layers_name}"
    assert family.norm == f"{family.decoder}.{family.norm_name}"
    assert set(family.lacks) <= set(KINDS)


@every_family
def test_no_family_comes_before_one_that_names_its_parts(family: Family) -> None:
    for model_type in family.model_types:
        named = [bool(each.tower_types + each.text_types) for each in families()[model_type]]
        assert named == sorted(named, reverse=True)


def test_of_a_type_known_only_with_other_towers_the_refusal_lists_what_is_known() -> None:
    named = [f for _, f in KNOWN if f.tower_types]
    for family in named:
        others = families()[family.model_types[0]]
        stranger = config_of(family)
        stranger.vision_config = SimpleNamespace(model_type="no such tower")
        if all(other.tower_types for other in others):
            with pytest.raises(ModelError) as caught:
                family_of(stranger)
            assert caught.value.where == "config.json: model_type"
        else:
            assert not family_of(stranger).tower_types


def test_a_part_is_the_module_itself() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))
    assert part(model, "1.0", family="made up") is model[1][0]
    assert part(model, "", family="made up") is model
    with pytest.raises(ModelError, match="family 'made up'") as caught:
        part(model, "1.7", family="made up")
    assert caught.value.where == "1.7"
