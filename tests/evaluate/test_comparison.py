from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from pictures import bright_records
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Lead, Row
from superneurons.evaluate.metrics import score
from superneurons.evaluate.paired import PairedDifference
from superneurons.evaluate.recommendation import Contestant, recommend
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


def test_a_slower_one_has_a_speed_up_below_one(comparison: Comparison) -> None:
    generate, prefill = comparison.rows[:2]
    assert comparison.speed_up(generate, GENERATE) == 1
    assert comparison.speed_up(generate, FIRST_TOKEN) == 0.5
    value = comparison.as_dict()["rows"]
    assert [row["speed_up_over_prefill"] for row in value] == [0.5, 1, 4, None]
    assert [row["speed_up_over_generate"] for row in value] == [1, 2, 8, None]
    assert prefill.timing is not None
    assert value[1]["ms"]["median"] == prefill.timing.median


def test_without_the_base_model_nothing_is_faster(comparison: Comparison) -> None:
    alone = replace(comparison, rows=comparison.rows[2:])
    assert [row["speed_up_over_generate"] for row in alone.as_dict()["rows"]] == [None, None]


def test_everything_that_is_said_of_a_row_is_kept(comparison: Comparison) -> None:
    lead = Lead(PairedDifference(0.125, (-0.25, 0.5), 0.75), 0.625)
    row = replace(comparison.rows[2], lead=lead, agreement=0.7, best_neuron=0.9, null_maximum=0.6)
    value = json.loads(json.dumps(replace(comparison, rows=(row,)).as_dict()))["rows"][0]
    assert value["lead"] == {
        "balanced_accuracy": {"difference": 0.125, "interval": [-0.25, 0.5], "p_value": 0.75},
        "mcnemar_p": 0.625,
    }
    assert (value["agreement"], value["best_neuron"], value["null_maximum"]) == (0.7, 0.9, 0.6)
    assert (value["exit_layer"], value["neurons"]) == (2, 7)
    assert value["scores"]["accuracy"] == 1


def test_answers_and_records_are_for_programs_only(comparison: Comparison) -> None:
    """They are as many as test records: neither printed nor kept with the figures."""
    answered = replace(comparison.rows[2], answers=Answers(["yes"] * 10))
    full = replace(comparison, rows=(answered,), test=bright_records(2))
    assert full == replace(comparison, rows=comparison.rows[2:3])
    assert "answers" not in full.as_dict()["rows"][0]
    assert "test" not in full.as_dict()
    assert "Answers" not in repr(full)
    assert "Record(" not in repr(full)


def test_the_advice_is_kept_with_what_it_rests_on(comparison: Comparison) -> None:
    assert comparison.as_dict()["recommendation"] is None
    truth = ["no", "yes"] * 20
    advice = recommend(truth, [Contestant(GENERATE, "base", truth)], classes=["no", "yes"])
    value = json.loads(json.dumps(replace(comparison, recommendation=advice).as_dict()))
    assert value["recommendation"]["choice"] == GENERATE
    assert value["recommendation"]["behind_best"][GENERATE]["difference"] == 0


def test_a_notebook_shows_every_row(comparison: Comparison) -> None:
    shown = comparison._repr_html_()
    assert all(row.name in shown for row in comparison.rows)


def test_what_was_measured_is_not_changed_afterwards(comparison: Comparison) -> None:
    with pytest.raises(FrozenInstanceError):
        comparison.rows = ()  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        comparison.rows[0].scores = None  # type: ignore[misc]
    assert comparison.null == {"chance": 0.5}


def test_a_row_with_nothing_said_has_nothing(comparison: Comparison) -> None:
    value = comparison.as_dict()["rows"][3]
    assert (value["exit_layer"], value["neurons"], value["ms"], value["lead"]) == (None,) * 4
    assert (value["agreement"], value["best_neuron"], value["null_maximum"]) == (None,) * 3
    assert value["note"] == ""
    assert set(value) == {
        "name", "exit_layer", "neurons", "scores", "ms", "speed_up_over_generate",
        "speed_up_over_prefill", "best_neuron", "null_maximum", "lead", "agreement", "note",
    }  # fmt: skip


def test_of_two_rows_with_one_name_the_first_is_meant(comparison: Comparison) -> None:
    again = replace(comparison.rows[0], timing=Timing(10, 9, 11, 5))
    more = replace(comparison, rows=(*comparison.rows, again))
    assert more.speed_up(comparison.rows[2], GENERATE) == 8
    assert more.speed_up(again, GENERATE) == 40


def test_quartiles_and_rounds_are_kept_with_the_median(comparison: Comparison) -> None:
    value = comparison.as_dict()
    assert value["rows"][0]["ms"] == {"median": 400, "low": 390, "high": 410, "repeats": 5}
    assert (value["setting"], value["null"]) == ({"model": "demo"}, {"chance": 0.5})
