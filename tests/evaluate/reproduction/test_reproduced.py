from __future__ import annotations

import json

import pytest

from reproductions import made_up


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
