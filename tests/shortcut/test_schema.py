from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def whole() -> dict[str, Any]:
    """A configuration with nothing wrong in it."""
    return {
        "format": FORMAT,
        "versions": {"superneurons": "0", "torch": "2", "transformers": "5"},
        "base_model": {
            "name": "m", "revision": None, "family": "f", "dtype": "float32", "fingerprint": "0",
            "layers": 4, "hidden_size": 32, "processor": {},
        },
        "prompt": {"order": "picture-first", "frame": "?", "sha256": "0"},
        "site": {"kind": "residual", "position": "last_prompt", "width": 32},
        "labels": ["no", "yes"],
        "form": "direct",
        "question": None,
        "read_out": {"name": "paper", "classes": ["no", "yes"], "values": {}},
        "exit_layer": 1,
        "probing_set": {},
        "settings": {},
    }  # fmt: skip


def whole_cascade() -> dict[str, Any]:
    kept = {name: value for name, value in whole().items() if name not in ("read_out",)}
    return kept | {
        "kind": "cascade", "stages": [], "costs": [],
        "target": {"accuracy": 0.9, "met": True},
        "verified": {"records": 3, "accuracy": 1.0, "wanted": 0.9, "cost": 2.0, "shares": []},
    }  # fmt: skip


def places_in(config: Mapping[str, Any], path: str = "") -> list[str]:
    """Every field, and every field of an object that has some."""
    found = []
    for name, value in config.items():
        inside = f"{path}.{name}" if path else name
        found += [inside, *(places_in(value, inside) if isinstance(value, dict) else [])]
    return found


def changed(config: dict[str, Any], place: str, **value: Any) -> dict[str, Any]:
    """The configuration with one field replaced, or taken out."""
    copy = json.loads(json.dumps(config))
    *parents, last = place.split(".")
    inner = copy
    for name in parents:
        inner = inner[name]
    inner.pop(last)
    if value:
        inner[last] = value["value"]
    return dict(copy)


CHECKS = {"classifier": (check_config, whole()), "cascade": (check_cascade, whole_cascade())}
FIELDS = [(what, place) for what, (_, config) in CHECKS.items() for place in places_in(config)]


@pytest.mark.parametrize("what", CHECKS)
def test_what_has_every_field_passes_and_more_does_no_harm(what: str) -> None:
    check, config = CHECKS[what]
    check(config, "here")
    check(config | {"later": {"a": 1}}, "here")


@pytest.mark.parametrize(("what", "place"), FIELDS)
def test_each_field_must_be_there_and_of_its_type(what: str, place: str) -> None:
    check, config = CHECKS[what]
    if what == "cascade" and place in ("kind", "exit_layer", "site.width"):
        return  # what makes it a cascade, and what a cascade has no use for
    with pytest.raises(ArtefactError) as missing:
        check(changed(config, place), "here")
    assert (f"here: {place}", "missing") in [(p.where, p.what) for p in missing.value.problems]
    with pytest.raises(ArtefactError) as wrong:
        check(changed(config, place, value=(1, 2)), "here")
    assert f"here: {place}" in [problem.where for problem in wrong.value.problems]
    assert f"Fit and save the {what} again" in str(wrong.value.mend)


@pytest.mark.parametrize("place", ["question", "base_model.revision"])
def test_what_may_be_null_may_be_text_and_nothing_else(place: str) -> None:
    check_config(changed(whole(), place, value="text"), "here")
    with pytest.raises(ArtefactError, match="is 3, not of type str or null"):
        check_config(changed(whole(), place, value=3), "here")


@pytest.mark.parametrize("found", [FORMAT, FORMAT - 1])
def test_formats_up_to_this_one_are_read(found: int) -> None:
    check_config(whole() | {"format": found}, "here")
