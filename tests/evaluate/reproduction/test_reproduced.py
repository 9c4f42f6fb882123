from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from reproductions import figures, made_up, measured
from superneurons.evaluate.reproduction.reproduced import Measured, Way


def test_a_way_is_found_by_its_key_and_what_it_was_scored_on() -> None:
    found = made_up()
    assert found.way("neuron-f1", "probing").last_layer == 12
    assert found.way("paper-accuracy-majority").neurons == 1234
    for missing in ("neuron-f1", "nothing"):
        with pytest.raises(KeyError):
            found.way(missing)


def test_it_is_made_of_json_values() -> None:
    values = json.loads(json.dumps(made_up().as_dict()))
    assert values["settings"]["task"] == "pope"
    way = next(w for w in values["ways"] if w["key"] == "paper-accuracy-majority")
    assert way["figures"]["precision"] == {"value": 0.875, "interval": [0.75, 1.0]}
    assert way["printed"]["threshold"] == 92.0
    assert values["nulls"][0]["shuffled"] == 0.5375


def test_the_same_key_on_either_set_of_questions_is_two_ways() -> None:
    found = made_up()
    other = replace(found.way("neuron-f1", "probing"), scored_on="validation", last_layer=3)
    both = replace(found, ways=(*found.ways, other))
    assert both.way("neuron-f1").last_layer == 3
    assert both.way("neuron-f1", "probing").last_layer == 12


def test_a_key_at_another_token_is_another_key() -> None:
    assert made_up().way("neuron-f1@first_generated").figures == figures(0.625)


def test_a_way_that_cannot_answer_is_kept_with_its_reason() -> None:
    values = made_up().as_dict()["ways"]
    (silent,) = (way for way in values if way["figures"] is None)
    assert (silent["key"], silent["exit_layer"]) == ("base-first-token", 32)
    assert silent["note"] == "its words can't be told apart"


def test_everything_it_was_measured_on_is_written_down() -> None:
    values = json.loads(json.dumps(made_up().as_dict()))
    assert set(values) == {"settings", "measured", "paper", "nulls", "ways"}
    assert set(values["measured"]) == {field.name for field in fields(Measured)}
    assert values["measured"]["versions"] == {"torch": "2.11", "numpy": "2.3"}
    assert values["settings"]["margin_step"] == 0.01
    assert [null["position"] for null in values["nulls"]] == ["last_prompt", "first_generated"]
    assert [way["key"] for way in values["ways"]] == [way.key for way in made_up().ways]


def test_writing_it_down_gives_copies() -> None:
    found = made_up()
    found.as_dict()["measured"]["versions"]["torch"] = "0"
    assert found == made_up()


def test_figures_alone_make_a_way_and_are_not_changed_afterwards() -> None:
    way = Way("text-only", "text only", "validation", figures(0.5))
    assert (way.whole, way.neurons, way.threshold, way.printed, way.note) == (
        None, None, None, None, ""
    )  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        way.neurons = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        measured().device = "cuda"  # type: ignore[misc]
