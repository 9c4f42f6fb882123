from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.runs import BASE, OURS, comparison, full_run, searched_run, sparse_run, tradeoffs
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison, Row
from superneurons.evaluate.metrics import score
from superneurons.report.page.facts import answers_of, base_of, beside, subject_of, ways_of
from superneurons.shortcut.timing import Timing


def test_rows_of_a_real_comparison_are_read() -> None:
    truth = ["no", "yes"] * 10
    scores = score(truth, ["no"] * 20, classes=["no", "yes"])
    timing = Timing(12.0, 11.0, 13.0, 5)
    rows = (Row("ours", scores, 3, 7, timing, agreement=0.4), Row(GENERATE, None, note="cannot"))
    run = sparse_run(comparison=Comparison(rows, {}, {}).as_dict())
    ours, base = ways_of(run)
    assert (ours.name, ours.balanced, ours.n) == ("ours", 0.5, 20)
    assert ours.balanced_interval == scores.balanced_accuracy_interval
    assert (ours.exit_layer, ours.neurons, ours.ms, ours.ms_range) == (3, 7, 12.0, (11.0, 13.0))
    assert ours.agreement == 0.4
    assert (base.balanced, base.ms, base.note) == (None, None, "cannot")


def test_without_a_comparison_there_are_none() -> None:
    assert ways_of(sparse_run()) == ()
    assert subject_of(sparse_run(), ()) is None


def _named(run: Any) -> str | None:
    found = subject_of(run, ways_of(run))
    return None if found is None else found.name


def test_a_report_is_about_what_is_recommended() -> None:
    run = full_run(comparison=comparison(choice=BASE), subject="text only")
    assert _named(run) == BASE


def test_else_about_whose_answers_were_kept_else_what_was_chosen() -> None:
    advice = comparison() | {"recommendation": None}
    kept = full_run(comparison=advice, subject="SAVs, as published")
    assert _named(kept) == "SAVs, as published"
    points = [replace(p, chosen=p.name == "calibrated logits") for p in tradeoffs()]
    assert _named(replace(kept, subject="", tradeoffs=tuple(points))) == "calibrated logits"
    assert _named(searched_run()) == "chosen shortcut"


def test_else_about_the_first_that_reads_neurons_and_never_the_best_or_the_shuffled() -> None:
    told = comparison() | {"recommendation": None}
    first = told["rows"][6] | {"name": "Super Neurons, shuffled labels"}
    told["rows"].insert(0, first)
    run = full_run(comparison=told, subject="", tradeoffs=())
    assert _named(run) == OURS
    best = max(ways_of(run), key=lambda way: way.balanced or 0)
    assert best.name != OURS


def test_the_base_model_is_its_first_token_or_else_what_it_generates() -> None:
    ways = ways_of(full_run())
    base = base_of(ways)
    assert base is not None
    assert base.name == FIRST_TOKEN
    without = [replace(w, balanced=None) if w.name == FIRST_TOKEN else w for w in ways]
    base = base_of(without)
    assert base is not None
    assert base.name == GENERATE
    assert base_of([w for w in ways if w.name not in (FIRST_TOKEN, GENERATE)]) is None


def test_it_stands_beside_what_it_has_to_beat() -> None:
    ways = ways_of(full_run())
    (subject,) = (way for way in ways if way.name == OURS)
    marks = beside(full_run(), ways, subject)
    assert [mark.name for mark in marks] == [OURS, BASE, "text only", "majority class"]
    assert [mark.look for mark in marks] == ["ours", "base", "rest", "rest"]


def test_where_the_base_model_is_enough_neurons_stand_beside_it() -> None:
    ways = ways_of(full_run())
    (subject,) = (way for way in ways if way.name == BASE)
    names = [mark.name for mark in beside(full_run(), ways, subject)]
    assert names == [BASE, OURS, "text only", "majority class"]


def test_what_chose_the_neurons_of_the_map_stands_beside_another_subject() -> None:
    ways = ways_of(full_run())
    (subject,) = (way for way in ways if way.name == "vision-only logistic probe")
    assert subject.neurons, "it reads some, too"
    names = [mark.name for mark in beside(full_run(), ways, subject)]
    assert names == [subject.name, BASE, OURS, "text only", "majority class"]
    assert OURS not in [m.name for m in beside(full_run(selection=None), ways, subject)]


@pytest.mark.parametrize(("subject", "told"), [("", ""), ("SAVs", "Answers of SAVs. ")])
def test_a_caption_says_whose_answers(subject: str, told: str) -> None:
    assert answers_of(sparse_run(subject=subject)) == told
