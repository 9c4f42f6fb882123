"""Answers to labelled records, and how many are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, murky
from superneurons.errors import DataError
from superneurons.evaluate.measured import Measured, measure, reference_of, told, truth_of
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.shortcut.prediction import Prediction
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module", params=["one exit", "cascade"])
def fitted(llava: VLM, request: pytest.FixtureRequest) -> Estimator:
    if request.param == "cascade":
        return Cascade(llava, layers=[1, 2]).fit(bright_records(48))
    return SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(24))


def test_shares_are_of_all_of_those_given_and_of_those_that_go_on() -> None:
    answers = [Prediction("yes", {"yes": p}, p, 1, 0.0) for p in (0.9, 0.8, 0.6, 1.0000001)]
    found = Measured(answers, np.array([True, False, True, True]), np.arange(4))
    accuracy, answered, escalated = found.shares(found.confidence >= 0.8)
    assert [(s.hits, s.n) for s in (accuracy, answered, escalated)] == [(3, 4), (2, 3), (1, 4)]
    assert found.confidence.max() == 1
    assert found.shares(found.confidence >= 1)[2].hits == 3
    assert found.part(np.array([1, 2])).right.tolist() == [False, True]


def test_answers_are_those_of_the_classifier(fitted: Estimator) -> None:
    records, progress = murky(24, seed=3), []
    found = measure(fitted, records, lambda done, total: progress.append((done, total)))
    assert progress == [(done, 24) for done in range(1, 25)]
    labels = fitted.predict(records).tolist()
    assert [answer.label for answer in found.answers] == labels
    assert found.right.tolist() == [a == r.label for a, r in zip(labels, records, strict=True)]
    assert 0 < found.right.mean() < 1
    assert len(set(found.groups.tolist())) == 24


def test_what_cannot_be_measured_is_refused_with_every_record(fitted: Estimator) -> None:
    one, two, three = bright_records(3)
    wrong = [replace(one, label="maybe"), replace(two, question="Is it red?"), three]
    for call in (measure, truth_of):
        with pytest.raises(DataError, match="not of this classifier's question") as caught:
            call(fitted, wrong)
        assert [problem.where for problem in caught.value.problems] == ["bright:0", "bright:1"]
        with pytest.raises(DataError, match="no records"):
            call(fitted, [])
        with pytest.raises(DataError, match="no usable label"):
            call(fitted, [replace(one, label=None)])


def test_histograms_are_of_what_is_given_but_of_all_pictures() -> None:
    records = bright_records(4)
    shares = (0.97, 0.55, 0.85, 0.62)
    answers = [
        Prediction(str(r.label), {}, share, 1, 0.0)
        for r, share in zip(records, shares, strict=True)
    ]
    found = Measured(answers, np.ones(4, bool), np.arange(4))
    kept = reference_of(records, found, ("no", "yes"), np.array([True, True, True, False]))
    assert kept["label"] == (2, 1)
    assert kept["confidence"] == (0, 1, 0, 0, 1, 0, 1, 0)
    assert sum(kept["brightness"]) == sum(kept["side"]) == sum(kept["aspect"]) == 4
    none = reference_of(records, found, ("no", "yes"), np.zeros(4, bool))
    assert (none["label"], sum(none["confidence"]), sum(none["side"])) == ((0, 0), 0, 4)


def test_answers_come_one_by_one() -> None:
    asked = iter(range(3))
    answers = told(asked, 3)
    assert next(answers) == 0
    assert next(asked) == 1, "no later answer was asked for yet"


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20),
    seed=st.integers(0, 99),
)
def test_shares_count_records_whatever_their_order(
    rows: list[tuple[bool, bool]], seed: int
) -> None:
    right, given_ = (np.array(part) for part in zip(*rows, strict=True))
    answers = [Prediction("yes", {"yes": 0.9}, 0.9, 1, 0.0)] * len(rows)
    found = Measured(answers, right, np.arange(len(rows)))
    accuracy, answered, escalated = found.shares(given_)
    assert (accuracy.hits, accuracy.n) == (sum(r for r, _ in rows), len(rows))
    assert (answered.hits, answered.n) == (sum(r and g for r, g in rows), sum(g for _, g in rows))
    assert (escalated.hits, escalated.n) == (sum(not g for _, g in rows), len(rows))
    order = np.random.default_rng(seed).permutation(len(rows))
    assert found.part(order).shares(given_[order]) == (accuracy, answered, escalated)


def test_parts_keep_answers_groups_and_what_is_right_together() -> None:
    answers = [Prediction(str(k), {}, k / 10, 1, 0.0) for k in range(5)]
    found = Measured(answers, np.arange(5) % 2 == 0, np.array([7, 7, 8, 8, 9]))
    part = found.part(np.array([4, 0, 3]))
    assert [answer.label for answer in part.answers] == ["4", "0", "3"]
    assert part.right.tolist() == [True, True, False]
    assert part.groups.tolist() == [9, 7, 8]
    assert part.confidence.tolist() == [0.4, 0.0, 0.3]
    assert found.part(np.array([], dtype=int)).confidence.tolist() == []


def test_nameless_records_are_named_by_their_number(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(24))
    records = [replace(record, id="") for record in bright_records(4, seed=1)]
    records[2] = replace(records[2], label="maybe", question="Is it red?")
    with pytest.raises(DataError) as caught:
        truth_of(fitted, records)
    assert [problem.where for problem in caught.value.problems] == ["record 2", "record 2"]
    assert "'maybe' is none of 'no', 'yes'" in caught.value.problems[0].what
    assert "asks 'Is it red?'" in caught.value.problems[1].what
    assert truth_of(fitted, bright_records(4)) == ["no", "yes", "no", "yes"]


def test_groups_are_those_of_pictures(fitted: Estimator) -> None:
    one = bright_records(4)
    found = measure(fitted, [*one, replace(one[0], id="again")])
    assert found.groups[4] == found.groups[0]
    assert len(set(found.groups.tolist())) == 4
    assert len(found.answers) == len(found.right) == 5
