"""What a cascade is worth, and what each of its stages answers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cascades import going_on
from pictures import choices, murky
from superneurons.errors import ArtefactError, DataError
from superneurons.evaluate.cascade_locking import (
    MeasuredCascade,
    lock_cascade,
    measure_cascade,
    threshold_of,
)
from superneurons.evaluate.measured import Measured
from superneurons.evaluate.shares import share_of
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.lock import Lock, artefact_digest, read_lock, write_lock
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cascades") / "steps"
    going_on(llava, murky(48)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return murky(60, seed=4)


@pytest.fixture
def cascade(saved: Path, llava: VLM) -> Cascade:
    return Cascade.from_pretrained(saved, llava)


def stopped(cascade: Cascade, stops: list[int], right: list[bool]) -> MeasuredCascade:
    answers = [Prediction("yes", {"yes": 0.9}, 0.9, 1, 0.0) for _ in stops]
    found = Measured(answers, np.array(right), np.arange(len(stops)))
    return MeasuredCascade(found, np.array(stops), cascade.stages_)


def test_shares_are_by_the_stage_that_answered(cascade: Cascade) -> None:
    found = stopped(cascade, [0, 0, 0, 1, 2, 2], [True, True, False, True, False, True])
    accuracy, early, escalated = found.shares()
    assert [(s.hits, s.n) for s in (accuracy, early, escalated)] == [(4, 6), (2, 3), (3, 6)]
    stages = found.by_stage()
    assert [(s.answered.hits, s.answered.n) for s in stages] == [(3, 6), (1, 6), (2, 6)]
    assert [(s.right.hits, s.right.n) for s in stages] == [(2, 3), (1, 1), (1, 2)]
    assert [s.base_answer for s in stages] == [False, False, True]


def test_the_first_exit_is_the_first_stage_that_ever_answers(cascade: Cascade) -> None:
    first, second, base = cascade.stages_
    cascade.stages_ = (replace(first, threshold=math.inf), second, base)
    assert stopped(cascade, [1, 2], [True, True]).given.tolist() == [True, False]
    never = replace(second, threshold=math.inf)
    cascade.stages_ = (replace(first, threshold=math.inf), never, base)
    assert stopped(cascade, [2, 2], [True, True]).given.tolist() == [False, False]
    assert [threshold_of(stage) for stage in cascade.stages_] == [None, None, 0]


def test_each_answer_is_counted_where_it_was_given(cascade: Cascade, records: list[Record]) -> None:
    told: list[tuple[int, int]] = []
    found = measure_cascade(cascade, records, lambda done, total: told.append((done, total)))
    assert told[-1] == (60, 60)
    layers = [answer.exit_layer for answer in cascade.answers(records)]
    assert [cascade.stages_[stop].layer for stop in found.stops] == layers
    assert found.answers.right.mean() == cascade.score(records)
    assert set(found.stops.tolist()) == {0, 1, 2}


def test_a_lock_says_what_each_stage_answers(
    cascade: Cascade, saved: Path, records: list[Record], tmp_path: Path
) -> None:
    found = lock_cascade(cascade, saved, records)
    assert found.artefact == artefact_digest(saved)
    assert [stage.threshold for stage in found.stages] == [s.threshold for s in cascade.stages_]
    assert [stage.layer for stage in found.stages] == [1, 3, 4]
    assert sum(stage.answered.hits for stage in found.stages) == 60
    assert found.accuracy.n == 60, "nothing is chosen, so all of them measure"
    assert found.accuracy.value == cascade.score(records)
    assert found.answered_accuracy == found.stages[0].right
    assert (found.target_accuracy, found.met) == (cascade.target_, cascade.met_)
    assert found.chose == 12, "a quarter of those that it was fitted on"
    assert found.threshold == 0
    assert sum(found.reference["label"]) == found.stages[0].answered.hits
    assert sum(found.reference["brightness"]) == 60
    write_lock(Lock({"steps": found}), tmp_path / "x.lock")
    assert read_lock(tmp_path / "x.lock").classifiers == {"steps": found}


def test_copies_of_a_picture_tell_no_more(cascade: Cascade, saved: Path) -> None:
    records = [replace(r, group=f"g{i // 6}") for i, r in enumerate(murky(48, seed=2))]
    found = lock_cascade(cascade, saved, records)
    shares = (found.accuracy, *(stage.answered for stage in found.stages))
    assert all(8 <= share.effective <= 48 for share in shares)
    assert found.stages[0].answered.effective < 48
    stops = measure_cascade(cascade, records).stops
    again = share_of(stops == 1, np.arange(48) // 6)
    assert found.stages[1].answered == again


def test_records_with_options_of_their_own_are_measured_too(llava: VLM, tmp_path: Path) -> None:
    going_on(llava, choices(72)).save_pretrained(tmp_path / "c")
    cascade = Cascade.from_pretrained(tmp_path / "c", llava)
    found = lock_cascade(cascade, tmp_path / "c", choices(36, seed=4))
    assert (found.labels, found.reference["label"]) == ((), ())
    assert sum(found.reference["confidence"]) == found.answered_accuracy.n
    write_lock(Lock({"c": found}), tmp_path / "x.lock")
    assert read_lock(tmp_path / "x.lock").locked("c") == found


def test_what_cannot_be_measured_is_refused(
    cascade: Cascade, saved: Path, records: list[Record]
) -> None:
    with pytest.raises(DataError, match="no records"):
        measure_cascade(cascade, [])
    with pytest.raises(DataError, match="not of this classifier's question"):
        lock_cascade(cascade, saved, [replace(records[0], label="maybe")])


@pytest.mark.parametrize("value", [None, "12", -1, True])
def test_a_cascade_that_does_not_say_what_chose_its_thresholds_is_refused(
    cascade: Cascade, saved: Path, records: list[Record], value: object
) -> None:
    cascade.probing_ = {**cascade.probing_, "chosen_on": value}  # type: ignore[dict-item]
    with pytest.raises(ArtefactError, match="how many records chose") as caught:
        lock_cascade(cascade, saved, records)
    assert "probing_set.chosen_on" in str(caught.value.where)
    assert json.loads((saved / "config.json").read_text())["probing_set"]["chosen_on"] == 12
