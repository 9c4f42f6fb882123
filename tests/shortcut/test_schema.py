from __future__ import annotations

import pytest

from superneurons.errors import ArtefactError
from superneurons.shortcut.schema import FORMAT, check_cascade, check_config


def test_every_problem_is_listed_with_its_place() -> None:
    with pytest.raises(ArtefactError) as caught:
        check_config({"format": FORMAT, "labels": "yes", "prompt": {"order": 3}}, "config.json")
    places = [problem.where for problem in caught.value.problems]
    assert "config.json: labels" in places
    assert "config.json: prompt.order" in places
    assert "config.json: base_model" in places
    assert "config.json: prompt.sha256" in places


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
