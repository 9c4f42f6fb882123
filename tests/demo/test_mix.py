from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from superneurons.demo.atlas import UNLABELLED, load_atlas
from superneurons.demo.casting import popular_classes
from superneurons.demo.mix import training_questions
from superneurons.demo.questions import COUNTS, GROUP_PHRASES, KINDS, Ledger
from superneurons.demo.scenes import Scenes, sample_scenes

ATLAS = load_atlas()


@pytest.fixture(scope="module")
def drawn() -> tuple[Scenes, list[list[tuple[str, str]]]]:
    rng, ledger = np.random.default_rng(0), Ledger()
    scenes = sample_scenes(3000, ATLAS, rng, sprites=ATLAS.pool(seen=True))
    return scenes, training_questions(scenes, ATLAS, rng, ledger, per_scene=6)


def test_every_string_has_its_answers_evenly(
    drawn: tuple[Scenes, list[list[tuple[str, str]]]],
) -> None:
    counts: dict[str, Counter[str]] = {}
    for asked in drawn[1]:
        for question, answer in asked:
            counts.setdefault(question, Counter())[answer] += 1
    for question, answers in counts.items():
        if "yes or no" in question:
            slack = 2 if "the " in question.split("picture")[0] else 1
            assert abs(answers["Yes"] - answers["No"]) <= slack, question
    total = sum((c for q, c in counts.items() if "yes or no" in q), Counter())
    assert total["Yes"] / total.total() == pytest.approx(0.5, abs=0.02)


def test_scenes_get_several_different_questions(
    drawn: tuple[Scenes, list[list[tuple[str, str]]]],
) -> None:
    lengths = [len(asked) for asked in drawn[1]]
    assert max(lengths) == 6
    assert np.mean(lengths) > 4
    assert all(len(dict(asked)) == len(asked) for asked in drawn[1])


def test_no_untrained_kind_is_asked(drawn: tuple[Scenes, list[list[tuple[str, str]]]]) -> None:
    text = "\n".join(question for asked in drawn[1] for question, _ in asked)
    for words in ("out of focus", "too dark", "bigger", "obstruct", "exactly"):
        assert words not in text


def test_presence_answers_are_true(drawn: tuple[Scenes, list[list[tuple[str, str]]]]) -> None:
    scenes, questions = drawn
    truths = {
        KINDS["presence"].ask(w, x=name): i
        for i, name in enumerate(ATLAS.classes)
        for w in range(len(KINDS["presence"].wordings))
    }
    checked = 0
    for labels, asked in zip(scenes.classes(ATLAS), questions, strict=True):
        for question, answer in asked:
            if question in truths:
                assert (truths[question] in labels) == (answer == "Yes")
                checked += 1
    assert checked > 2000


def test_group_count_and_category_answers_are_true(
    drawn: tuple[Scenes, list[list[tuple[str, str]]]],
) -> None:
    scenes, questions = drawn
    groups_asked = {
        KINDS["group"].ask(w, x=g): g
        for g in GROUP_PHRASES
        for w in range(len(KINDS["group"].wordings))
    }
    seen = Counter[str]()
    for labels, asked in zip(scenes.classes(ATLAS), questions, strict=True):
        there = labels[labels != UNLABELLED]
        groups = {ATLAS.groups[g] for g in ATLAS.group_of[there]}
        for question, answer in asked:
            if question in groups_asked:
                assert (groups_asked[question] in groups) == (answer == "Yes")
                seen["group"] += 1
            elif question in KINDS["counting"].wordings:
                assert answer == COUNTS[len(there) - 1]
                seen["count"] += 1
            elif question in KINDS["category"].wordings:
                assert groups == {answer}
                seen["category"] += 1
    assert min(seen["group"], seen["count"], seen["category"]) > 50


def test_left_answers_follow_the_centres(drawn: tuple[Scenes, list[list[tuple[str, str]]]]) -> None:
    scenes, questions = drawn
    checked = 0
    for row, asked in enumerate(questions):
        for question, answer in asked:
            head, found, tail = question.partition(" to the left of the ")
            if not found or not head.startswith(("Is the ", "Are the ")):
                continue
            names = head.split(" the ", 1)[1], tail.split("?")[0]
            labels = scenes.classes(ATLAS)[row].tolist()
            x, y = (labels.index(ATLAS.classes.index(name)) for name in names)
            is_left = scenes.centre[row, x, 0] < scenes.centre[row, y, 0]
            assert is_left == (answer == "Yes")
            checked += 1
    assert checked > 50


def test_letters_point_at_what_is_there(drawn: tuple[Scenes, list[list[tuple[str, str]]]]) -> None:
    scenes, questions = drawn
    letters, right, offered = Counter[str](), Counter[str](), Counter[str]()
    for labels, asked in zip(scenes.classes(ATLAS), questions, strict=True):
        there = {ATLAS.classes[c] for c in labels if c != UNLABELLED}
        for question, answer in asked:
            if question.endswith("Answer with the letter."):
                options = dict(line.split(") ") for line in question.split("\n")[1:5])
                assert {k for k, v in options.items() if v in there} == {answer}
                letters[answer] += 1
                right[options[answer]] += 1
                offered.update(options.values())
    shares = np.array(list(letters.values())) / letters.total()
    assert abs(shares - 0.25).max() < 0.05
    popular = {ATLAS.classes[c] for c in popular_classes(len(ATLAS.classes))}
    for part in (popular, set(ATLAS.classes) - popular):
        share = sum(right[n] for n in part) / sum(offered[n] for n in part)
        assert share == pytest.approx(0.25, abs=0.06)


def test_scenes_with_nameless_things_get_no_question() -> None:
    labels = np.full_like(ATLAS.labels, UNLABELLED)
    atlas = type(ATLAS)(
        ATLAS.pixels, labels, ATLAS.classes, ATLAS.groups, ATLAS.group_of, ATLAS.seen, ATLAS.sources
    )
    rng = np.random.default_rng(0)
    scenes = sample_scenes(5, atlas, rng, sprites=np.arange(50))
    assert training_questions(scenes, atlas, rng, Ledger()) == [[]] * 5
