from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asking import prompts_asked
from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.robustness.gathered import BASE, MAJORITY, NEURONS, SHORT
from superneurons.evaluate.robustness.seed_scores import seed_difference, seed_scores
from superneurons.evaluate.robustness.sheet import percent
from superneurons.evaluate.robustness.size import (
    SIZES,
    SizeCurve,
    SizePoint,
    check_sizes,
    stays,
    study_size,
)
from superneurons.evaluate.robustness.subsets import nested_subsets
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

PROBE, TEST = murky(60), bright_records(40, seed=1)
ASKED = (4, 12, 40, 500)


@pytest.fixture(scope="module")
def found(llava: VLM) -> SizeCurve:
    return study_size(llava, PROBE, TEST, sizes=ASKED, seeds=(0, 1, 2))


def point(found: SizeCurve, n: int, way: str = NEURONS[1]) -> SizePoint:
    return next(p for p in found.points if (p.size, p.way) == (n, way))


def test_a_point_for_each_size_and_way(found: SizeCurve) -> None:
    assert {(p.size, p.way) for p in found.points} == {
        (n, way) for n in (4, 12, 40, 60) for way in (MAJORITY, *BASE, *NEURONS)
    }
    assert [point(found, n).records for n in (4, 12, 40, 60)] == [4, 12, 40, 60]
    assert "500: there are only 60 records" in found.note


def test_a_point_is_what_classifiers_give(found: SizeCurve, llava: VLM) -> None:
    truth = [str(record.label) for record in TEST]
    by_seed = []
    for seed in (0, 1, 2):
        rows = nested_subsets(PROBE, (12,), seed=seed)[12]
        clf = SuperNeuronClassifier(llava, random_state=seed).fit([PROBE[i] for i in rows])
        given = clf.predict(TEST).tolist()
        right = [g == t for g, t in zip(given, truth, strict=True)]
        by_seed.append(sum(right) / len(right))  # both labels are equally frequent
    scores = point(found, 12).scores
    assert scores is not None
    assert scores.by_seed == pytest.approx(tuple(by_seed))


def test_seeds_are_reproducible_and_differ(found: SizeCurve, llava: VLM) -> None:
    again = study_size(llava, PROBE, TEST, sizes=(12,), seeds=(0, 1, 2))
    assert point(again, 12) == point(found, 12)
    small = point(found, 4).scores
    assert small is not None
    assert len(set(small.by_seed)) > 1


def test_raw_logits_are_the_same_at_every_size(found: SizeCurve) -> None:
    assert len({point(found, n, BASE[0]).scores for n in (12, 40, 60)}) == 1


def test_it_says_from_where_on_the_base_model_is_passed(found: SizeCurve) -> None:
    assert [(lead.way, lead.rival) for lead in found.leads] == [
        (way, rival) for way in NEURONS for rival in BASE
    ]
    for lead in found.leads:
        above = [n for n, d in lead.differences.items() if d.difference > 0]
        clearly = [n for n, d in lead.differences.items() if d.interval[0] > 0]
        for first, those in ((lead.above, above), (lead.clearly, clearly)):
            if first is not None:
                assert [n for n in lead.differences if n >= first] == [
                    n for n in those if n >= first
                ]
            else:
                assert max(lead.differences) not in those
    improved = next(x for x in found.leads if (x.way, x.rival) == (NEURONS[1], BASE[0]))
    assert improved.clearly is not None
    assert improved.above is not None
    assert improved.above <= improved.clearly


def test_the_model_runs_once(llava: VLM, questions_run: list[Record]) -> None:
    study_size(llava, PROBE[:24], TEST[:12], sizes=(8, 24), seeds=(0, 1))
    assert len(questions_run) == 24 + 12 + 1  # and one to count its tokens


def test_what_is_too_few_to_learn_from_is_left_out_and_said(llava: VLM) -> None:
    found = study_size(llava, shades(30), shades(18, seed=1), sizes=(5, 30), seeds=(0, 1))
    small = point(found, 5)
    assert small.scores is None
    assert small.failed == (0, 1)
    assert "too few" in found.note
    assert point(found, 30).scores is not None
    assert all(list(lead.differences) == [30] for lead in found.leads)
    shown = next(row for row in found.tables()[0].rows if row[0] == "5")
    assert set(shown[1:]) == {"–"}


def test_tables_are_narrow_and_complete(found: SizeCurve) -> None:
    curve, spread, passed = found.tables()
    assert [row[0] for row in curve.rows] == [row[0] for row in spread.rows]
    assert len(passed.rows) == 4
    for sheet in (curve, spread, passed):
        assert all(len(line) <= 100 for line in sheet.text().splitlines())
    assert "Majority class: accuracy 50.0%." in passed.notes


def test_it_is_json(found: SizeCurve) -> None:
    made = json.loads(json.dumps(found.as_dict()))
    assert made["study"] == "size"
    assert len(made["points"]) == len(found.points)
    assert set(made["leads"][0]["differences"]) <= {"4", "12", "40", "60"}


@pytest.mark.parametrize(("sizes", "seeds"), [((), (0,)), ((3, 10), (0,)), ((10,), ())])
def test_sizes_and_seeds_are_needed(
    llava: VLM, sizes: tuple[int, ...], seeds: tuple[int, ...]
) -> None:
    with pytest.raises(DataError, match="Sizes"):
        study_size(llava, PROBE, TEST, sizes=sizes, seeds=seeds)


def test_records_in_both_are_refused(llava: VLM) -> None:
    with pytest.raises(DataError, match="share a picture"):
        study_size(llava, PROBE, PROBE[:4], sizes=(10,))


def test_options_of_their_own_are_fitted_in_small_numbers_too(llava: VLM) -> None:
    probe, test = choices(36), choices(18, seed=1)
    found = study_size(llava, probe, test, sizes=(18, 36), seeds=(0,))
    clf = SuperNeuronClassifier(llava).fit(probe)
    expected = seed_scores(test, [clf.predict(test).tolist()], labels=())
    assert point(found, 36).scores == expected
    assert point(found, 18).scores is not None


@pytest.mark.parametrize(("holds", "first"), [
    ({10: True, 20: True}, 10),
    ({10: True, 20: False, 30: True}, 30),
    ({10: True, 20: False}, None),
    ({}, None),
])  # fmt: skip
def test_it_has_to_stay_above(holds: dict[int, bool], first: int | None) -> None:
    """What is above once and then below again has not passed the base model."""
    assert stays(holds) == first


def test_a_seed_that_is_given_twice_is_one_subset(llava: VLM) -> None:
    made = study_size(llava, PROBE[:24], TEST[:12], sizes=(24,), seeds=(1, 1))
    assert made.seeds == (1,)
    assert "mean of 1 seed " in made.tables()[0].title
    scores = point(made, 24).scores
    assert scores is not None
    assert len(scores.by_seed) == 1


def test_sizes_come_in_order_and_once_whatever_is_given(llava: VLM) -> None:
    made = study_size(llava, PROBE[:24], TEST[:12], sizes=(24, 8, 24, 99), seeds=(0,))
    assert list(dict.fromkeys(p.size for p in made.points)) == [8, 24]
    assert made.note.count("there are only 24 records") == 1
    assert made.setting["probing_records"] == 24
    assert made.setting["test_records"] == 12


def test_never_and_from_where_on_are_told_apart_in_the_table(found: SizeCurve) -> None:
    passed = found.tables()[2].rows
    for lead, (way, rival, above, clearly) in zip(found.leads, passed, strict=True):
        assert (way, rival) == (SHORT[lead.way], SHORT[lead.rival])
        assert above == ("never" if lead.above is None else str(lead.above))
        assert clearly == ("never" if lead.clearly is None else str(lead.clearly))
    never = replace(found.leads[0], above=None, clearly=None)
    assert replace(found, leads=(never,)).tables()[2].rows[0][2:] == ("never", "never")


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(1, 99), st.booleans(), max_size=8))
def test_what_stays_holds_from_there_on_and_not_just_before(holds: dict[int, bool]) -> None:
    first = stays(holds)
    sizes = sorted(holds)
    if first is None:
        assert not sizes or not holds[sizes[-1]]
    else:
        assert all(holds[n] for n in sizes if n >= first)
        before = [n for n in sizes if n < first]
        assert not before or not holds[before[-1]]
    assert stays(dict(reversed(holds.items()))) == first


def test_sizes_are_checked_before_anything_runs() -> None:
    check_sizes((4,), (0,))
    for sizes in ((3,), (100, 3), ()):
        with pytest.raises(DataError, match="at least 4"):
            check_sizes(sizes, (0,))
    with pytest.raises(DataError, match="Sizes 10, 30; 0 seeds"):
        check_sizes((10, 30), ())
    assert min(SIZES) >= 4
    assert list(SIZES) == sorted(set(SIZES))


def test_leads_are_paired_differences_over_the_seeds(found: SizeCurve, llava: VLM) -> None:
    task = base_task(llava, PROBE, ("no", "yes"))
    probe, test = task.logits(llava, PROBE), task.logits(llava, TEST)
    ours, raw, calibrated = [], [], []
    for seed in (0, 1, 2):
        rows = nested_subsets(PROBE, (40,), seed=seed)[40]
        own = [PROBE[i] for i in rows]
        clf = SuperNeuronClassifier(llava, read_out="paper", random_state=seed).fit(own)
        ours.append(clf.predict(TEST).tolist())
        raw.append(task.raw(TEST, test))
        calibrated.append(task.calibrated(own, probe[rows], TEST, test))
    for rival, theirs in zip(BASE, (raw, calibrated), strict=True):
        lead = next(x for x in found.leads if (x.way, x.rival) == (NEURONS[0], rival))
        assert lead.differences[40] == seed_difference(TEST, ours, theirs, labels=("no", "yes"))


def test_seeds_that_failed_and_how_far_others_are_apart_stand_in_the_tables(
    found: SizeCurve,
) -> None:
    own = point(found, 12)
    assert own.scores is not None
    marked = replace(own, failed=(2,))
    points = tuple(marked if p is own else p for p in found.points)
    plain, shown = found.tables(), replace(found, points=points).tables()
    column = plain[0].header.index(SHORT[NEURONS[1]])
    before, after = (next(r for r in s[0].rows if r[0] == "12") for s in (plain, shown))
    assert after[column] == before[column] + "!"
    assert [c for i, c in enumerate(after) if i != column] == [
        c for i, c in enumerate(before) if i != column
    ]
    spread = next(r for r in plain[1].rows if r[0] == "12")[column]
    by_seed = own.scores.by_seed
    assert spread == f"{percent(min(by_seed))}–{percent(max(by_seed))}"
    assert SHORT[MAJORITY] not in plain[0].header
    assert "mean of 3 seeds" in plain[0].title


def test_where_no_size_is_enough_that_is_said(llava: VLM) -> None:
    with pytest.raises(DataError, match="No size is enough") as caught:
        study_size(llava, shades(30), shades(6, seed=1), sizes=(4, 5), seeds=(0,))
    assert "sizes 4, 5" in str(caught.value)


def test_it_is_run_in_the_prompt_given_and_told_subset_by_subset(
    llava: VLM, monkeypatch: pytest.MonkeyPatch, batch_sizes: list[int], told_steps: Any
) -> None:
    asked, prompt = prompts_asked(monkeypatch), Prompt("question-first")
    made = study_size(
        llava, PROBE[:20], TEST[:10], sizes=(8, 20), seeds=(7, 5), prompt=prompt, batch_size=16,
        steps=told_steps,
    )  # fmt: skip
    assert set(asked) == {prompt}
    assert batch_sizes == [16, 14, 1]
    assert told_steps.of("fitting read-outs") == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (made.seeds, made.setting["seed"]) == ((7, 5), 7)
    assert made.note == ""


def test_turned_test_labels_turn_every_score(llava: VLM, turned: Any) -> None:
    """What is fitted sees no test label: right becomes wrong, and nothing else changes."""
    one, other = (
        study_size(llava, PROBE[:24], test, sizes=(12,), seeds=(0, 1))
        for test in (TEST[:16], turned(TEST[:16]))
    )
    for way in (MAJORITY, *BASE, *NEURONS):
        a, b = point(one, 12, way).scores, point(other, 12, way).scores
        assert a is not None
        assert b is not None
        assert [x + y for x, y in zip(a.by_seed, b.by_seed, strict=True)] == pytest.approx([1, 1])
