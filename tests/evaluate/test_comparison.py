from __future__ import annotations

import json

import pytest

from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Row
from superneurons.evaluate.metrics import score
from superneurons.shortcut.timing import Timing


@pytest.fixture
def comparison() -> Comparison:
    scores = score(["no", "yes"] * 5, ["no", "yes"] * 5, classes=["no", "yes"])
    rows = (
        Row(GENERATE, scores, 30, timing=Timing(400, 390, 410, 5)),
        Row(FIRST_TOKEN, None, 30, timing=Timing(200, 190, 210, 5), note="same first token"),
        Row("ours", scores, 2, 7, Timing(50, 49, 51, 5)),
        Row("text only", scores),
    )
    return Comparison(rows, {"model": "demo"}, {"chance": 0.5})


def test_speed_ups_are_ratios_of_medians(comparison: Comparison) -> None:
    ours, text = comparison.rows[2:]
    assert comparison.speed_up(ours, GENERATE) == 8
    assert comparison.speed_up(ours, FIRST_TOKEN) == 4
    assert comparison.speed_up(text, GENERATE) is None
    assert comparison.speed_up(ours, "something that was not run") is None


def test_it_is_json(comparison: Comparison) -> None:
    value = json.loads(json.dumps(comparison.as_dict()))
    assert [row["name"] for row in value["rows"]] == [row.name for row in comparison.rows]
    assert value["rows"][2]["speed_up_over_generate"] == 8
    assert value["rows"][1]["scores"] is None
    assert value["rows"][1]["note"] == "same first token"
