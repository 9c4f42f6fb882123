from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, choices, shades
from superneurons.errors import DataError
from superneurons.evaluate.robustness.gathered import (
    BASE,
    MAJORITY,
    NEURONS,
    SHORT,
    Gathered,
    unsaid,
)
from superneurons.evaluate.robustness.seed_scores import spread_interval
from superneurons.evaluate.robustness.sheet import percent
from superneurons.evaluate.robustness.shuffled import (
    CONDITIONS,
    Condition,
    Shuffled,
    _rows,
    study_shuffled,
)
from superneurons.evaluate.robustness.shuffles import (
    deal,
    with_labels_of,
    with_pictures_of,
    with_questions_of,
)
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def several(n: int, seed: int = 0) -> list[Record]:
    """Questions that differ and don't matter."""
    made = bright_records(n, seed)
    return [replace(r, question=f"Is it {'bright' if i % 4 < 2 else 'light'}?")
            for i, r in enumerate(made)]  # fmt: skip


PROBE, TEST = several(48), several(48, seed=1)


@pytest.fixture(scope="module")
def found(llava: VLM) -> Shuffled:
    return study_shuffled(llava, PROBE, TEST)


def row(found: Shuffled, name: str, way: str = NEURONS[1]) -> Condition:
    return next(r for r in found.rows if (r.name, r.way) == (name, way))


def test_all_that_can_be_shuffled_is(found: Shuffled) -> None:
    assert [r.name for r in found.rows if r.way == MAJORITY] == list(CONDITIONS)
    assert not found.note


def test_shuffling_kills_what_was_planted(found: Shuffled) -> None:
    for way in NEURONS:
        assert row(found, "as they are", way).scores.balanced_accuracy > 0.7
        shuffled = row(found, "pictures shuffled at test", way)
        assert abs(shuffled.scores.balanced_accuracy - 0.5) < 0.15
        assert not row(found, "as they are", way).at_chance


def test_questions_that_do_not_matter_may_be_shuffled(found: Shuffled) -> None:
    kept = row(found, "questions shuffled at test")
    assert kept.scores.balanced_accuracy > 0.9
    assert not kept.at_chance
    assert row(found, "questions shuffled at fit").scores.balanced_accuracy > 0.9


def test_labels_without_information_fall_to_chance(found: Shuffled) -> None:
    for name in ("pictures shuffled at fit", "labels shuffled at fit"):
        for way in NEURONS:
            one = row(found, name, way)
            assert one.must == (way == NEURONS[1])
            low, high = one.interval
            assert one.at_chance == (low <= 0.5 <= high)
            assert one.interval == spread_interval(one.scores.by_seed)
    assert not found.failures
    assert "interval of the improved read-out contains 50.0%." in found.verdict()


def test_the_paper_s_rule_may_miss_chance_and_that_is_said(found: Shuffled) -> None:
    """Its neurons have a fixed sign: where those of one sign prevail, noise is on their side."""
    for inside in (True, False):
        rows = tuple(replace(r, at_chance=inside) if r.way == NEURONS[0] else r for r in found.rows)
        said = replace(found, rows=rows).verdict()
        assert ("paper's rule misses it" in said) == (not inside)
        assert said.startswith("Where labels carry no information")


def test_each_shuffle_is_another_one(found: Shuffled) -> None:
    by_seed = row(found, "labels shuffled at fit").scores.by_seed
    assert len(by_seed) == 5
    assert len(set(by_seed)) > 1
    assert len(row(found, "as they are").scores.by_seed) == 1


def test_only_what_takes_either_side_alike_has_to_fall(found: Shuffled) -> None:
    assert {r.way for r in found.rows if r.must} == {NEURONS[1]}
    raw = [row(found, name, BASE[0]) for name in ("as they are", "pictures shuffled at fit")]
    assert raw[0].scores.balanced_accuracy == raw[1].scores.balanced_accuracy
    assert raw[0].interval == raw[1].interval  # that over test records: no shuffle changes it


def test_what_leaks_is_said(found: Shuffled) -> None:
    leak = replace(row(found, "labels shuffled at fit"), at_chance=False)
    said = replace(found, rows=(*found.rows, leak))
    assert said.failures == (leak,)
    assert "NOT in the interval of: improved, labels shuffled" in said.verdict()
    assert said.as_dict()["verdict"] == said.verdict()


def test_a_question_that_tells_the_answer_is_found_out(llava: VLM) -> None:
    """The pictures of others, and yet not at chance: as text gives it away."""

    def telling(n: int, seed: int) -> list[Record]:
        return [replace(r, question="Is it bright?" if r.label == "yes" else "Dark? " * 5)
                for r in bright_records(n, seed)]  # fmt: skip

    found = study_shuffled(llava, telling(24, 0), telling(16, 1), seeds=(0, 1))
    assert row(found, "pictures shuffled at fit") in found.failures
    assert "labels leak" in found.verdict()


def test_tables_hold_every_condition(found: Shuffled) -> None:
    (sheet,) = found.tables()
    assert [line[0] for line in sheet.rows] == list(CONDITIONS)
    assert all(len(line) <= 100 for line in sheet.text().splitlines())
    starred = [line[-1].endswith("*") for line in sheet.rows]
    assert starred == [row(found, name).at_chance for name in CONDITIONS]
    assert found.verdict() in sheet.notes


def test_it_is_json(found: Shuffled) -> None:
    made = json.loads(json.dumps(found.as_dict()))
    assert made["chance"] == 0.5
    assert made["seeds"] == [0, 1, 2, 3, 4]
    assert len(made["rows"]) == len(found.rows)


def test_no_prompt_is_run_twice(llava: VLM, questions_run: list[Record]) -> None:
    """Shuffled among themselves, pictures of one question are asked about all the same."""
    study_shuffled(llava, bright_records(16), bright_records(12, seed=1), seeds=(0, 1))
    extra = 1  # its tokens are counted for the setting
    assert len(questions_run) == 16 + 12 + extra
    pairs = [(np.asarray(r.images[0]).tobytes(), r.question) for r in questions_run[:-1]]
    assert len(set(pairs)) == len(pairs)


def test_what_cannot_be_shuffled_is_left_out_and_said(llava: VLM) -> None:
    found = study_shuffled(llava, choices(18), choices(12, seed=1), seeds=(0, 1))
    names = {r.name for r in found.rows}
    assert names == {name for name, pair in CONDITIONS.items() if {*pair} <= {"", "pictures"}}
    assert "same question" in found.note
    assert "options" in found.note
    assert found.note in found.tables()[0].notes


def test_one_shuffle_is_too_few(llava: VLM, questions_run: list[Record]) -> None:
    with pytest.raises(DataError, match="One shuffle"):
        study_shuffled(llava, PROBE, TEST, seeds=(3, 3))
    with pytest.raises(DataError, match="share a picture"):
        study_shuffled(llava, PROBE, PROBE)
    assert not questions_run


def test_a_seed_that_is_given_twice_is_one_shuffle(llava: VLM) -> None:
    """Counted twice it would make the interval narrower than the shuffles are."""
    probe, test = bright_records(16), bright_records(12, seed=1)
    found = study_shuffled(llava, probe, test, seeds=(0, 1, 0))
    assert found.seeds == (0, 1)
    assert len(row(found, "labels shuffled at fit").scores.by_seed) == 2
    assert "over 2 shuffles" in found.tables()[0].title


def test_chance_is_that_of_as_many_answers(llava: VLM) -> None:
    found = study_shuffled(llava, shades(36), shades(24, seed=1), seeds=(0, 1))
    assert found.chance == pytest.approx(1 / 3)
    assert row(found, "as they are").scores.balanced_accuracy > 0.6
    assert not row(found, "as they are").at_chance
    assert row(found, "as they are", MAJORITY).at_chance
    assert "chance 33.3%" in found.tables()[0].title


def test_shuffled_test_records_are_scored_by_their_own_labels(llava: VLM) -> None:
    """Pictures of others, and the label that the record had: right as often as chance has it."""
    probe, test = bright_records(32), bright_records(20, seed=1)
    found = study_shuffled(llava, probe, test, seeds=(4, 5))
    assert row(found, "as they are").scores.balanced_accuracy == 1
    truth = np.array([record.label for record in test])
    expected = []
    for seed in (4, 5):
        donors = deal(test, seed=seed)
        expected.append(np.mean(truth[donors] == truth))  # both labels are equally frequent
    by_seed = row(found, "pictures shuffled at test").scores.by_seed
    assert by_seed == pytest.approx(tuple(expected))


@pytest.mark.parametrize(
    ("name", "at_fit", "at_test"),
    [
        ("as they are", None, None),
        ("questions shuffled at test", None, with_questions_of),
        ("pictures shuffled at fit", with_pictures_of, None),
        ("questions shuffled at fit", with_questions_of, None),
        ("pictures shuffled at both", with_pictures_of, with_pictures_of),
        ("labels shuffled at fit", with_labels_of, None),
    ],
)
def test_each_condition_is_what_a_classifier_gives_by_hand(
    found: Shuffled, llava: VLM, name: str, at_fit: Any, at_test: Any
) -> None:
    scores = row(found, name).scores
    seed = len(scores.by_seed) - 1
    probe = at_fit(PROBE, deal(PROBE, seed=seed)) if at_fit else PROBE
    test = at_test(TEST, deal(TEST, seed=seed)) if at_test else TEST
    with unsaid():
        clf = SuperNeuronClassifier(llava, random_state=seed).fit(probe)
    truth = np.array([record.label for record in TEST])  # both labels are equally frequent
    assert scores.by_seed[-1] == pytest.approx(np.mean(clf.predict(test) == truth))


def test_what_is_shuffled_where_is_in_its_name() -> None:
    for name, (at_fit, at_test) in CONDITIONS.items():
        for kind in ("pictures", "questions", "labels"):
            assert (kind in name) == (kind in (at_fit, at_test))
        place = {(True, False): "fit", (False, True): "test", (True, True): "both"}
        if at_fit or at_test:
            assert name.endswith(f"at {place[bool(at_fit), bool(at_test)]}")
    assert all(at_test != "labels" for _, at_test in CONDITIONS.values())


def test_it_is_run_in_the_prompt_given_and_told_shuffle_by_shuffle(
    llava: VLM, monkeypatch: pytest.MonkeyPatch, batch_sizes: list[int], told_steps: Any
) -> None:
    asked, prompt = prompts_asked(monkeypatch), Prompt("question-first")
    found = study_shuffled(
        llava, bright_records(12), bright_records(8, seed=1), seeds=(6, 2), prompt=prompt,
        batch_size=15, steps=told_steps,
    )  # fmt: skip
    assert set(asked) == {prompt}
    assert batch_sizes == [15, 5, 1]
    assert told_steps.of("fitting read-outs") == [(1, 2), (2, 2)]
    assert (found.setting["seed"], found.setting["probing_records"]) == (6, 12)
    assert found.setting["test_records"] == 8
    assert "same question" in found.note
    assert {r.name for r in found.rows} == {
        name for name, pair in CONDITIONS.items() if "questions" not in pair
    }


def test_chance_at_the_very_end_of_an_interval_is_inside(found: Shuffled, llava: VLM) -> None:
    """Answers that are all the same are at chance to the last digit."""
    same = row(found, "as they are", MAJORITY)
    assert same.interval == (0.5, 0.5)
    assert same.at_chance
    for one in found.rows:
        low, high = one.interval
        assert one.at_chance == (low - 1e-9 <= found.chance <= high + 1e-9)
        assert low <= one.scores.balanced_accuracy <= high or one.way in BASE


def test_both_rules_may_fail_and_all_of_it_is_listed(found: Shuffled) -> None:
    names = ("pictures shuffled at fit", "labels shuffled at fit")
    missed = [replace(row(found, n, way), at_chance=False) for way in NEURONS for n in names]
    said = replace(found, rows=tuple(missed)).verdict()
    for one in missed:
        assert f"{SHORT[one.way]}, {one.name}: {percent(one.scores.balanced_accuracy)} (" in said
    elsewhere = replace(row(found, "as they are", NEURONS[0]), at_chance=False)
    assert "misses it" not in replace(found, rows=(elsewhere,)).verdict()


def test_what_no_shuffle_changes_has_the_interval_of_the_test_records(noisy: Any) -> None:
    """And what even one shuffle changes has that of the shuffles."""
    train, test = noisy.parts[0].train, noisy.parts[0].test
    found = Gathered(noisy, (train, test))
    truth = [str(record.label) for record in found.records(1)]
    turned = {"yes": "no", "no": "yes"}
    first = [turned[label] if i % 4 == 0 else label for i, label in enumerate(truth)]
    other = [turned[label] if i % 3 == 0 else label for i, label in enumerate(truth)]
    given = {
        ("pictures shuffled at fit", NEURONS[1]): [first, first, first],
        ("labels shuffled at fit", NEURONS[1]): [first, other, first],
        ("as they are", NEURONS[1]): [first],
    }
    rows = {r.name: r for r in _rows(found, given, 0.5)}
    assert list(rows) == ["as they are", "pictures shuffled at fit", "labels shuffled at fit"]
    alone = rows["as they are"].interval
    assert alone[0] < alone[1] < 1
    assert rows["pictures shuffled at fit"].interval == alone
    moved = rows["labels shuffled at fit"]
    assert moved.interval == spread_interval(moved.scores.by_seed) != alone
    assert [rows[name].must for name in rows] == [False, True, True]
