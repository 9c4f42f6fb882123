from __future__ import annotations

from types import SimpleNamespace

import pytest

from superneurons.errors import ModelError
from superneurons.vlm.family import families, family_of, part
from superneurons.vlm.model import VLM


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
