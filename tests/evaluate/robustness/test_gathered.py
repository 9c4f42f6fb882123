from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, choices, murky, shades
from superneurons.activations.capture import capture
from superneurons.evaluate.comparison import FIRST_TOKEN
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.robustness.gathered import (
    BASE,
    MAJORITY,
    NEURONS,
    SHORT,
    gather,
    unsaid,
)
from superneurons.evaluate.scoring import as_classes
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def test_each_prompt_is_run_once(llava: VLM, questions_run: list[Record]) -> None:
    probe = bright_records(12)
    again = [replace(r, label="no", group="g", id="again") for r in probe[:6]]
    asked = [replace(r, question="Bright?") for r in probe[:3]]
    found = gather(llava, [probe, again, asked])
    assert len(questions_run) == 15
    pool = found.contest.pools["direct"]
    states = pool.captured.activations
    assert states.shape[0] == 21
    np.testing.assert_array_equal(states[12:18], states[:6])
    assert np.any(states[18:] != states[:3])
    np.testing.assert_array_equal(pool.captured.label_logits[12:18], found.contest.logits[:6])


def test_sets_keep_their_places(llava: VLM) -> None:
    probe, test = bright_records(10), bright_records(6, seed=1)
    found = gather(llava, [probe, test])
    assert [len(place) for place in found.places] == [10, 6]
    assert found.records(1) == test
    assert found.records(1, 0) == [*test, *probe]
    alone = capture(llava, test).activations
    np.testing.assert_array_equal(
        found.contest.pools["direct"].captured.activations[found.places[1]], alone
    )


def test_answers_are_those_of_fitted_classifiers(llava: VLM) -> None:
    probe, test = bright_records(24), bright_records(12, seed=1)
    found = gather(llava, [probe, test])
    given = found.answers(*found.places, seed=3)
    assert list(given) == [MAJORITY, *BASE, *NEURONS]
    assert set(SHORT) == set(given)
    for way, read_out in zip(NEURONS, ("paper", "super-neurons"), strict=True):
        classifier = SuperNeuronClassifier(llava, read_out=read_out, random_state=3).fit(probe)
        assert given[way] == classifier.predict(test).tolist()
    task = found.contest.base
    assert given[FIRST_TOKEN] == task.raw(test, task.logits(llava, test))
    assert given[MAJORITY] == ["no"] * 12


@pytest.mark.parametrize(("make", "forms", "chance"), [
    (shades, ["direct", "unrolled"], 1 / 3),
    (choices, ["lettered", "unrolled"], None),
])  # fmt: skip
def test_more_answers_are_asked_in_both_forms(
    llava: VLM, make: Callable[..., list[Record]], forms: list[str], chance: float | None
) -> None:
    probe, test = make(24), make(12, seed=1)
    found = gather(llava, [probe, test])
    assert list(found.contest.pools) == forms
    given = found.answers(*found.places, seed=0)
    for labels in given.values():
        assert len(labels) == 12
    options = [record.options or ("dark", "grey", "pale") for record in test]
    for way in NEURONS:
        assert all(label in own for label, own in zip(given[way], options, strict=True))
    by_place: dict[int, list[float]] = {}
    for own, record in zip(options, test, strict=True):
        by_place.setdefault(own.index(str(record.label)), []).append(1 / len(own))
    expected = np.mean([np.mean(shares) for shares in by_place.values()])
    assert found.chance(1) == pytest.approx(expected if chance is None else chance)


def test_chance_is_what_guessing_reaches(llava: VLM) -> None:
    """Right answers that are third are guessed less often than those that are first."""
    test = choices(60, seed=2)
    found = gather(llava, [choices(6), test])
    rng = np.random.default_rng(0)
    guessed = [[str(rng.choice(r.options or ())) for r in test] for _ in range(300)]
    reached = np.mean([mean_recall(*as_classes(test, given, ())[:2]) for given in guessed])
    assert found.chance(1) == pytest.approx(reached, abs=0.01)
    assert abs(found.chance(1) - np.mean([1 / len(r.options or ()) for r in test])) > 0.015


def test_some_rows_are_fitted_and_others_answered(llava: VLM) -> None:
    records = bright_records(40)
    found = gather(llava, [records])
    train, test = np.arange(0, 24), np.arange(30, 40)
    given = found.answers(train, test, seed=0)
    truth = [record.label for record in records[30:]]
    assert given["Super Neurons, improved"] == truth
    contest = found.parted(train, test, 5)
    assert contest.seed == 5
    assert [record.id for record in contest.test] == [r.id for r in records[30:]]


def test_without_label_words_the_base_model_is_left_out(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.errors import ModelError, Problem
    from superneurons.evaluate import rivals

    def none(*_: object) -> None:
        problems = [Problem("label 'a'", "like b"), Problem("label 'b'", "like a")]
        raise ModelError("Alike.", problems=problems, mend="Use other words.")

    monkeypatch.setattr(rivals, "label_words", none)
    found = gather(llava, [bright_records(12)])
    assert found.note() == "Alike. (label 'a': like b; label 'b': like a) Use other words."
    assert list(found.answers(found.places[0], found.places[0], seed=0)) == [MAJORITY, *NEURONS]


def test_doubts_are_said_unless_they_are_no_news() -> None:
    with pytest.warns(DataWarning, match="odd"), unsaid(quiet=False):
        warnings.warn("odd", DataWarning, stacklevel=1)
    with unsaid():
        warnings.warn("odd", DataWarning, stacklevel=1)
    with pytest.warns(UserWarning, match="else"), unsaid():
        warnings.warn("something else", UserWarning, stacklevel=1)


def test_two_sets_share_prompts_in_every_form(llava: VLM, questions_run: list[Record]) -> None:
    """The same pictures with other labels are asked per option once, too."""
    records = shades(12)
    other = {"dark": "grey", "grey": "pale", "pale": "dark"}
    turned = [replace(r, label=other[str(r.label)]) for r in records]
    found = gather(llava, [records, turned])
    assert len(questions_run) == 12 + 36
    for form, each in (("direct", 1), ("unrolled", 3)):
        pool = found.contest.pools[form]  # type: ignore[index]
        assert pool.parents.tolist() == np.repeat(range(24), each).tolist()
        states = pool.captured.activations
        assert len(states) == 24 * each
        np.testing.assert_array_equal(states[: 12 * each], states[12 * each :])
    assert [r.label for r in found.records(1)] == [r.label for r in turned]


def test_prompt_batches_and_seed_are_those_given(
    llava: VLM, batch_sizes: list[int], told_steps: Any
) -> None:
    prompt = Prompt("question-first")
    sets = [shades(6), shades(3, seed=1)]
    found = gather(llava, sets, prompt=prompt, batch_size=5, seed=9, steps=told_steps)
    assert batch_sizes == [5, 4, 5, 5, 5, 5, 5, 2]
    assert told_steps.of("running the model") == [(5, 9), (9, 9)]
    assert told_steps.of("asking per option")[-1] == (27, 27)
    assert (found.contest.prompt, found.contest.seed) == (prompt, 9)
    asked = capture(llava, sets[1], prompt=prompt).activations
    states = found.contest.pools["direct"].captured.activations[found.places[1]]
    np.testing.assert_allclose(states.astype(float), asked.astype(float), rtol=0.02, atol=0.02)
    assert found.contest.pools["unrolled"].captured.label_logits is None


def test_the_paper_s_rule_comes_first_whatever_else_is_known(llava: VLM) -> None:
    two = gather(llava, [bright_records(8)])
    assert [entry.key for entry in two.entries] == ["paper", "super-neurons"]
    assert two.labels == ("no", "yes")
    assert two.chance() == two.chance(0) == 0.5
    assert two.note() == ""
    assert two.contest.test == []


def test_doubtful_records_are_said_unless_it_is_no_news(llava: VLM) -> None:
    """The same picture with both labels, fitted on."""
    once = bright_records(16)
    records = [*once, replace(once[0], label="yes"), replace(once[2], label="yes")]
    found = gather(llava, [records, bright_records(4, seed=1)])
    with pytest.warns(DataWarning, match="same activations"):
        loud = found.answers(*found.places, seed=0)
    assert found.answers(*found.places, seed=0, quiet=True) == loud


def test_labels_of_what_is_answered_are_not_looked_at(llava: VLM) -> None:
    """Selection and scoring share nothing: test labels may be anything, the answers stay."""
    probe, test = murky(30), murky(20, seed=1)
    turned = [replace(r, label="no" if r.label == "yes" else "yes") for r in test]
    found = gather(llava, [probe, test, turned])
    given = found.answers(found.places[0], found.places[1], seed=2)
    assert given == found.answers(found.places[0], found.places[2], seed=2)
    order = np.random.default_rng(0).permutation(20)
    mixed = found.answers(found.places[0], found.places[1][order], seed=2)
    for way, labels in given.items():
        assert mixed[way] == [labels[i] for i in order]
