from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from asking import prompts_asked
from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.paired import paired_difference
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.search import (
    CALIBRATED,
    CHOSEN,
    held_out,
    search_with_base,
    verify,
)
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.search_points import ShortcutSearch
from superneurons.shortcut.search_space import SearchSpace
from superneurons.task.groups import group_ids
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

SPACE = SearchSpace(positions=("last_prompt",), orders=("question-first",))


@pytest.fixture(scope="module")
def held() -> list[Record]:
    return bright_records(16, seed=1)


@pytest.fixture(scope="module")
def search(llava: VLM) -> ShortcutSearch:
    return search_with_base(llava, bright_records(24), SPACE, repeats=1)


@pytest.fixture(scope="module")
def verified(
    llava: VLM, search: ShortcutSearch, held: list[Record]
) -> tuple[Comparison, SuperNeuronClassifier]:
    return verify(llava, search, search.choose(), bright_records(24), held, repeats=1)


def row_of(found: Comparison, name: str):
    return next(row for row in found.rows if row.name == name)


def test_each_row_keeps_what_it_answered_to_the_records_in_order(
    verified: tuple[Comparison, SuperNeuronClassifier], held: list[Record]
) -> None:
    found, classifier = verified
    assert [record.id for record in found.test] == [record.id for record in held]
    truth = [record.label for record in held]
    for row in found.rows:
        assert row.answers is not None
        assert row.scores is not None
        assert row.scores.accuracy == np.mean(np.array(row.answers.labels) == truth)
    chosen = row_of(found, CHOSEN).answers
    assert chosen.labels == classifier.predict(held).tolist()
    np.testing.assert_allclose(chosen.probabilities, classifier.predict_proba(held))


def test_what_the_shortcut_was_fitted_on_can_be_seen(
    llava: VLM, search: ShortcutSearch, held: list[Record]
) -> None:
    seen: list[Any] = []
    _, classifier = verify(
        llava, search, search.choose(), bright_records(24), held, repeats=0,
        witness=lambda *what: seen.append(what),
    )  # fmt: skip
    ((shown, probing, captured),) = seen
    assert shown is classifier
    assert len(probing.records) == len(captured) == 24


def test_the_shortcut_stands_beside_all_that_it_has_to_beat(
    verified: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    found, _ = verified
    assert [row.name for row in found.rows] == [
        CHOSEN, CALIBRATED, FIRST_TOKEN, "text only", "majority class",
    ]  # fmt: skip
    assert found.setting["search_records"] == 24
    assert found.setting["test_records"] == 16
    json.dumps(found.as_dict())


def test_scores_are_those_of_the_classifier_that_is_handed_back(
    verified: tuple[Comparison, SuperNeuronClassifier], search: ShortcutSearch, held: list[Record]
) -> None:
    found, classifier = verified
    row = row_of(found, CHOSEN)
    truth = np.array([record.label for record in held])
    assert row.scores.balanced_accuracy == mean_recall(truth, classifier.predict(held))
    assert row.exit_layer == classifier.exit_layer_ <= search.choose().exit_layer
    assert row.neurons == len(classifier.neurons_)
    assert row.scores.balanced_accuracy > 0.9


def test_the_base_model_is_asked_as_in_the_search_and_calibrated_on_its_records(
    verified: tuple[Comparison, SuperNeuronClassifier],
    search: ShortcutSearch,
    llava: VLM,
    held: list[Record],
) -> None:
    base = base_task(llava, held, ("no", "yes"))
    assert search.probing is not None
    assert search.label_logits is not None
    prompt = replace(SuperNeuronClassifier(llava).prompt, order="question-first")
    logits = base.logits(llava, held, prompt=prompt)
    truth = np.array([record.label for record in held])
    expected = {
        FIRST_TOKEN: base.raw(held, logits),
        CALIBRATED: base.calibrated(search.probing.records, search.label_logits, held, logits),
    }
    for name, answers in expected.items():
        scores = row_of(verified[0], name).scores
        assert scores.balanced_accuracy == mean_recall(truth, np.array(answers))


def test_the_lead_is_that_of_the_shortcut(
    verified: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    found, _ = verified
    ours = row_of(found, CHOSEN)
    assert ours.lead is None
    for row in found.rows[1:]:
        difference = ours.scores.balanced_accuracy - row.scores.balanced_accuracy
        assert row.lead.balanced_accuracy.difference == pytest.approx(difference)


def test_both_sides_are_timed_in_one_run(
    verified: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    found, _ = verified
    times = {row.name: row.timing for row in found.rows}
    assert times[CALIBRATED] == times[FIRST_TOKEN]
    assert times[CHOSEN].repeats == times[FIRST_TOKEN].repeats == 1
    assert times["text only"] is None


def test_without_rounds_nothing_is_timed(
    llava: VLM, search: ShortcutSearch, held: list[Record]
) -> None:
    found, _ = verify(llava, search, search.points[0], bright_records(24), held, repeats=0)
    assert {row.timing for row in found.rows} == {None}


def test_records_of_the_search_are_no_held_out_ones(llava: VLM, search: ShortcutSearch) -> None:
    train = bright_records(24)
    with pytest.raises(DataError, match="share a picture"):
        verify(llava, search, search.points[0], train, [*bright_records(8, seed=1), train[0]])


def test_parts_keep_groups_whole() -> None:
    records = [replace(r, group=str(i // 3)) for i, r in enumerate(bright_records(30))]
    train, test = held_out(records, share=0.3, seed=1)
    assert len(train) + len(test) == 30
    assert 6 <= len(test) <= 12
    assert not {r.group for r in train} & {r.group for r in test}
    assert len(set(group_ids(train))) + len(set(group_ids(test))) == 10


@pytest.mark.parametrize("made", [choices, shades])
def test_many_answers_are_verified_too(llava: VLM, made) -> None:
    train, held = made(30), made(12, seed=1)
    space = replace(SPACE, kinds=("residual",))
    found = search_with_base(llava, train, space, repeats=1)
    scored, classifier = verify(llava, found, found.choose(), train, held, repeats=0)
    assert [row.name for row in scored.rows][:3] == [CHOSEN, CALIBRATED, FIRST_TOKEN]
    right = [a == r.label for a, r in zip(classifier.predict(held), held, strict=True)]
    assert row_of(scored, CHOSEN).scores.accuracy == np.mean(right)
    chance = row_of(scored, "majority class").scores
    assert chance.accuracy < 0.7


def test_without_label_words_the_base_model_has_a_time_but_no_score(llava: VLM) -> None:
    def renamed(record: Record) -> Record:
        return replace(record, label={"no": "it is dark", "yes": "it is bright"}[str(record.label)])

    train = [renamed(r) for r in bright_records(24)]
    found = search_with_base(llava, train, SPACE, repeats=1)
    assert found.label_logits is None
    held = [renamed(r) for r in bright_records(12, seed=1)]
    scored, _ = verify(llava, found, found.points[0], train, held, repeats=1)
    assert [row.name for row in scored.rows] == [
        CHOSEN, "text only", "majority class", FIRST_TOKEN,
    ]  # fmt: skip
    base = row_of(scored, FIRST_TOKEN)
    assert base.scores is None
    assert "cannot tell these labels apart" in base.note
    assert base.timing.repeats == 1


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(template="{pictures}Q: {question} A:")
    asked = prompts_asked(monkeypatch)
    space, records = replace(SPACE, template=prompt.template, max_layer=1), bright_records(24)
    search = search_with_base(llava, records, space, repeats=1)
    found, fitted = verify(
        llava, search, search.choose(), records, bright_records(8, seed=1), repeats=1
    )
    assert fitted.prompt == prompt
    assert found.setting["prompt"] == "<image>Q: {question} A:"
    assert set(asked) == {prompt}


def test_leads_count_records_that_one_alone_has_right(llava: VLM, search: ShortcutSearch) -> None:
    """By pictures, by the seed, and McNemar by the records that differ."""
    held = [replace(r, id=f"{r.id}/{k}") for r in murky(10, seed=1) for k in range(2)]
    train = bright_records(24)
    found, _ = verify(llava, search, search.choose(), train, held, repeats=0, seed=5)
    truth = [str(record.label) for record in held]
    ours = row_of(found, CHOSEN).answers.labels
    groups = [i // 2 for i in range(20)]
    for row in found.rows[1:]:
        theirs = row.answers.labels
        assert row.lead.balanced_accuracy == paired_difference(
            truth, ours, theirs, classes=["no", "yes"], groups=groups, seed=5
        )
        alone = [(a == t, b == t) for a, b, t in zip(ours, theirs, truth, strict=True)]
        first, second = alone.count((True, False)), alone.count((False, True))
        expected = binomtest(first, first + second).pvalue if first + second else 1
        assert row.lead.mcnemar_p == pytest.approx(expected)
    setting = found.setting
    assert (setting["search_records"], setting["test_records"]) == (24, 20)
    assert setting["searched_points"] == len(search.points)
    assert setting["point"] == str(search.choose())


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 3), min_size=6, max_size=12), seed=st.integers(0, 99))
def test_no_group_is_searched_with_and_verified_on(sizes: list[int], seed: int) -> None:
    records = [
        Record((), "Is it?", label="yes" if k % 2 else "no", id=f"{k}/{n}", group=f"g{k}")
        for k, size in enumerate(sizes)
        for n in range(size)
    ]
    train, held = held_out(records, share=0.5, seed=seed)
    assert not {r.group for r in train} & {r.group for r in held}
    assert sorted(r.id for r in (*train, *held)) == sorted(r.id for r in records)
    assert {r.label for r in train} == {r.label for r in held} == {"no", "yes"}
    assert held_out(records, share=0.5, seed=seed) == (train, held)
