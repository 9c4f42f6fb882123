from __future__ import annotations

import numpy as np
import pytest

from pictures import bright_records
from superneurons.activations.capture import capture
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Row
from superneurons.evaluate.contest import Contest
from superneurons.evaluate.entrants import CALIBRATED, LENS, Entrants
from superneurons.evaluate.entries import chosen_entries
from superneurons.evaluate.pool import Pool, two_parts
from superneurons.evaluate.rivals import base_task, logits_of
from superneurons.shortcut.probing import probing_set
from superneurons.shortcut.timing import Timing
from superneurons.vlm.model import VLM

TRUTH = [record.label for record in bright_records(10, seed=1)]
SETTING = {"test_records": 10}


@pytest.fixture(scope="module")
def contest(llava: VLM) -> Contest:
    probe, test = bright_records(24), bright_records(10, seed=1)
    records = [*probe, *test]
    probing = probing_set(records, balanced=False, seed=0, multiclass="native")
    base = base_task(llava, records, probing.labels)
    captured = capture(llava, records, words=base.words)
    pools = {probing.form: Pool(probing, np.arange(len(records)), captured)}
    return Contest(
        llava, records, two_parts(probe, test), probing.labels, pools, base, logits_of(captured), 0
    )


@pytest.fixture(scope="module")
def found(contest: Contest) -> Comparison:
    entrants = Entrants(contest, shuffles=20)
    entrants.rivals()
    entrants.fitted(contest.fit(chosen_entries(["super-neurons"], many=False)[0]))
    entrants.add("always right", "probe", Answers([str(label) for label in TRUTH]), neurons=3)
    entrants.add("silent", None, None, note="says nothing")
    times = {name: Timing(10.0, 9, 11, 3) for name in (FIRST_TOKEN, *LENS.values())}
    return entrants.comparison(times, dict(SETTING), {"chance": 0.5})


def row(found: Comparison, name: str) -> Row:
    return next(row for row in found.rows if row.name == name)


def test_what_was_added_is_scored_in_order(found: Comparison) -> None:
    names = [row.name for row in found.rows]
    assert names[-3:] == ["Super Neurons, improved", "always right", "silent"]
    right = row(found, "always right")
    assert right.scores is not None
    assert right.scores.accuracy == 1
    assert right.scores.ece is None
    assert right.neurons == 3
    silent = row(found, "silent")
    assert silent.scores is None
    assert silent.note == "says nothing"
    assert found.null == {"chance": 0.5}


def test_the_lead_is_that_of_the_first_read_out(found: Comparison) -> None:
    ours, right = row(found, "Super Neurons, improved"), row(found, "always right")
    assert ours.lead is None
    assert ours.scores is not None
    assert right.lead is not None
    difference = right.lead.balanced_accuracy.difference
    assert difference == pytest.approx(ours.scores.balanced_accuracy - 1)


def test_agreement_is_with_the_models_own_first_token(found: Comparison, contest: Contest) -> None:
    said = contest.by_logits(calibrated=False).labels
    expected = np.mean([a == b for a, b in zip(said, TRUTH, strict=True)])
    assert row(found, "always right").agreement == pytest.approx(expected)
    assert row(found, FIRST_TOKEN).agreement is None


def test_calibrated_logits_take_as_long_as_raw_ones(found: Comparison) -> None:
    assert row(found, CALIBRATED).timing == row(found, FIRST_TOKEN).timing
    assert row(found, "majority class").timing is None


def test_only_what_answers_can_be_recommended(found: Comparison) -> None:
    assert found.recommendation is not None
    assert set(found.recommendation.behind_best) == {
        "text only", FIRST_TOKEN, CALIBRATED, *LENS.values(), "Super Neurons, improved",
        "always right",
    }  # fmt: skip
