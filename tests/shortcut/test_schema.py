from __future__ import annotations

import json
from pathlib import Path

import pytest

from pictures import bright_records
from superneurons.errors import ArtefactError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.schema import FORMAT, check_cascade, check_config
from superneurons.vlm.model import VLM


def test_every_problem_is_listed_with_its_place() -> None:
    with pytest.raises(ArtefactError) as caught:
        check_config({"format": FORMAT, "labels": "yes", "prompt": {"order": 3}}, "config.json")
    places = [problem.where for problem in caught.value.problems]
    assert "config.json: labels" in places
    assert "config.json: prompt.order" in places
    assert "config.json: base_model" in places
    assert "config.json: prompt.sha256" in places


def test_what_came_later_may_be_missing_but_not_be_wrong() -> None:
    def places(prompt: object) -> list[str]:
        with pytest.raises(ArtefactError) as caught:
            check_config({"format": FORMAT, "prompt": prompt}, "config.json")
        return [p.where for p in caught.value.problems if "prompt" in p.where]

    before = {"order": "picture-first", "frame": "?", "sha256": "0"}
    assert places(before) == places(before | {"template": None}) == []
    assert places(before | {"template": 3}) == ["config.json: prompt.template"]


def test_settings_that_no_model_can_be_asked_by_are_damage(llava: VLM, tmp_path: Path) -> None:
    SuperNeuronClassifier(llava).fit(bright_records(12)).save_pretrained(tmp_path / "clf")
    config = json.loads((tmp_path / "clf" / "config.json").read_text())
    check_config(config, "config.json")
    for order, template, wrong in (
        ("sideways", None, ["order"]),
        ("picture-first", "{question}", ["template"]),
        ("question-first", "{question}{pictures}", ["order"]),
        ([], 3, ["order", "order", "template"]),
    ):
        config["settings"] |= {"prompt_order": order, "prompt_template": template}
        with pytest.raises(ArtefactError, match="superneurons classifier") as caught:
            check_config(config, "config.json")
        found = [problem.where for problem in caught.value.problems]
        assert found == [f"config.json: settings.prompt_{name}" for name in wrong]
    del config["settings"]["prompt_order"], config["settings"]["prompt_template"]
    check_config(config, "config.json")


def test_a_later_format_is_told_apart_from_damage() -> None:
    with pytest.raises(ArtefactError, match="Update superneurons"):
        check_config({"format": FORMAT + 1}, "config.json")


@pytest.mark.parametrize("value", [[], None, "text", 3])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(ArtefactError, match="not an object"):
        check_config(value, "config.json")


def test_true_is_no_number() -> None:
    with pytest.raises(ArtefactError, match="exit_layer: is True"):
        check_config({"format": FORMAT, "exit_layer": True}, "config.json")


def test_a_cascade_has_fields_of_its_own() -> None:
    with pytest.raises(ArtefactError, match="superneurons cascade") as caught:
        check_cascade({"format": FORMAT, "kind": "cascade", "stages": 3}, "config.json")
    places = [problem.where for problem in caught.value.problems]
    assert "config.json: stages" in places
    assert "config.json: verified" in places
    assert "config.json: exit_layer" not in places
    with pytest.raises(ArtefactError, match="one exit"):
        check_cascade({"format": FORMAT}, "config.json")
    with pytest.raises(ArtefactError, match="Update superneurons"):
        check_cascade({"format": FORMAT + 1, "kind": "cascade"}, "config.json")
