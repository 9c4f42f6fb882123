from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError
from superneurons.evaluate.robustness.gathered import BASE, MAJORITY, NEURONS, SHORT
from superneurons.evaluate.robustness.seed_scores import seed_scores
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
