from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from superneurons.demo.atlas import UNLABELLED, load_atlas
from superneurons.demo.casting import popular_classes
from superneurons.demo.mix import training_questions
from superneurons.demo.questions import COUNTS, GROUP_PHRASES, KINDS, Ledger, unrolled
from superneurons.demo.render import cover
from superneurons.demo.scenes import EMPTY, Scenes, sample_scenes

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


Drawn = tuple[Scenes, list[list[tuple[str, str]]]]
NAMES = "|".join(ATLAS.classes)


@pytest.fixture(scope="module")
def covered(drawn: Drawn) -> tuple[Drawn, np.ndarray, np.ndarray]:
    """The first thousand scenes, with the share seen of each thing and what hides it."""
    scenes = drawn[0].take(slice(0, 1000))
    visible, hidden, _ = cover(scenes, ATLAS)
    return (scenes, drawn[1][:1000]), visible, hidden


def asked_pairs(drawn: Drawn, kind: str) -> list[tuple[int, int, int, str]]:
    """(row, slot, slot, answer) of every question about two things, in any wording."""
    scenes, questions = drawn
    labels = scenes.classes(ATLAS)
    found = []
    patterns = [
        re.compile(
            re.escape(wording)
            .replace(r"\{Is\}", "(?:Is|Are)")
            .replace(r"\{x\}", f"the ({NAMES})")
            .replace(r"\{y\}", f"the ({NAMES})")
            + " Answer yes or no."
        )
        for wording in KINDS[kind].wordings
    ]
    for row, asked in enumerate(questions):
        for question, answer in asked:
            for match in filter(None, (p.fullmatch(question) for p in patterns)):
                x, y = (
                    labels[row].tolist().index(ATLAS.classes.index(name)) for name in match.groups()
                )
                found.append((row, x, y, answer))
    return found


@pytest.mark.parametrize(("kind", "axis"), [("left", 0), ("above", 1)])
def test_places_are_asked_of_things_that_are_seen_and_apart(
    covered: tuple[Drawn, np.ndarray, np.ndarray], kind: str, axis: int
) -> None:
    drawn, visible, _ = covered
    found = asked_pairs(drawn, kind)
    assert len(found) > 100
    for row, x, y, answer in found:
        step = drawn[0].centre[row, y, axis] - drawn[0].centre[row, x, axis]
        assert abs(step) >= 0.12
        assert (step > 0) == (answer == "Yes")
        assert min(visible[row, x], visible[row, y]) >= 0.35


def test_what_is_in_front_is_asked_of_things_that_overlap(
    covered: tuple[Drawn, np.ndarray, np.ndarray],
) -> None:
    drawn, visible, hidden = covered
    found = asked_pairs(drawn, "front")
    assert len(found) > 50
    for row, x, y, answer in found:
        assert (x > y) == (answer == "Yes")  # later slots lie in front
        assert 0.1 < hidden[row, min(x, y), max(x, y)] < 0.65
        assert min(visible[row, x], visible[row, y]) >= 0.35


def test_what_is_asked_for_and_there_is_seen(
    covered: tuple[Drawn, np.ndarray, np.ndarray],
) -> None:
    (scenes, questions), visible, _ = covered
    there = {
        KINDS["presence"].ask(w, x=name): label
        for label, name in enumerate(ATLAS.classes)
        for w in range(len(KINDS["presence"].wordings))
    }
    labels = scenes.classes(ATLAS)
    for row, asked in enumerate(questions):
        seen = set(labels[row][visible[row] >= 0.35].tolist())
        for question, answer in asked:
            if question in there and answer == "Yes":
                assert there[question] in seen
            elif question in KINDS["counting"].wordings:
                assert (visible[row][scenes.present[row]] >= 0.35).all()


def test_questions_about_one_option_have_true_answers(drawn: Drawn) -> None:
    scenes, questions = drawn
    options = {
        "choice": ATLAS.classes, "category": ATLAS.groups, "counting": COUNTS,
    }  # fmt: skip
    known = {
        unrolled(wording, option): (kind, option)
        for kind, names in options.items()
        for wording in KINDS[kind].wordings
        for option in names
    }
    seen = Counter[tuple[str, str]]()
    for labels, asked in zip(scenes.classes(ATLAS), questions, strict=True):
        there = labels[labels != UNLABELLED]
        truths = {
            "choice": {ATLAS.classes[c] for c in there},
            "category": {ATLAS.groups[g] for g in ATLAS.group_of[there]},
            "counting": {COUNTS[len(there) - 1]},
        }
        for question, answer in asked:
            if question in known:
                kind, option = known[question]
                assert (option in truths[kind]) == (answer == "Yes")
                if kind == "category":
                    assert len(truths[kind]) == 1
                seen[kind, answer] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 10


def test_kinds_are_asked_about_as_often_as_meant(drawn: Drawn) -> None:
    total = sum(map(len, drawn[1]))
    shares = {kind: len(asked_pairs(drawn, kind)) / total for kind in ("left", "above", "front")}
    assert shares["left"] == pytest.approx(shares["above"], rel=0.25)
    for share in shares.values():
        assert 0.01 < share < 0.2
    text = [question for asked in drawn[1] for question, _ in asked]
    wordings = Counter(q.split(" Answer")[0].split("\n")[0] for q in text)
    for kind in ("counting", "choice", "category"):
        assert all(wordings[wording] > 5 for wording in KINDS[kind].wordings), kind


@pytest.mark.parametrize("most", [1, 3])
def test_no_scene_gets_more_questions_than_asked_for(most: int) -> None:
    rng = np.random.default_rng(1)
    scenes = sample_scenes(100, ATLAS, rng, sprites=ATLAS.pool(seen=True))
    lengths = [len(a) for a in training_questions(scenes, ATLAS, rng, Ledger(), per_scene=most)]
    assert max(lengths) == most
    assert np.mean(lengths) > 0.6 * most


def test_the_same_seed_and_ledger_give_the_same_questions() -> None:
    def made(seed: int) -> list[list[tuple[str, str]]]:
        rng = np.random.default_rng(seed)
        scenes = sample_scenes(40, ATLAS, rng, sprites=ATLAS.pool(seen=True))
        return training_questions(scenes, ATLAS, rng, Ledger())

    assert made(3) == made(3)
    assert made(3) != made(4)


def test_a_ledger_goes_on_from_batch_to_batch() -> None:
    rng, ledger = np.random.default_rng(0), Ledger()
    scenes = sample_scenes(60, ATLAS, rng, sprites=ATLAS.pool(seen=True))
    counts: dict[str, Counter[str]] = {}
    for _ in range(4):
        for asked in training_questions(scenes, ATLAS, rng, ledger):
            for question, answer in asked:
                counts.setdefault(question, Counter())[answer] += 1
    strings = {q: c for q, c in counts.items() if q.startswith(("Does the", "Do you see"))}
    assert max(c.total() for c in strings.values()) >= 4
    assert all(abs(c["Yes"] - c["No"]) <= 1 for c in strings.values())


def test_one_nameless_thing_or_none_at_all_leave_nothing_to_ask() -> None:
    rng = np.random.default_rng(0)
    scenes = sample_scenes(6, ATLAS, rng, sprites=ATLAS.pool(seen=True), counts=np.full(6, 3))
    labels = ATLAS.labels.copy()
    labels[scenes.sprite[2, 1]] = UNLABELLED
    others = [row for row in range(6) if scenes.sprite[2, 1] not in scenes.sprite[row]]
    atlas = replace(ATLAS, labels=labels)
    found = training_questions(scenes, atlas, rng, Ledger())
    assert found[2] == []
    assert all(found[row] for row in others)
    assert training_questions(scenes.take(slice(0, 0)), ATLAS, rng, Ledger()) == []
    alone = scenes.take(slice(0, 1))
    alone.sprite[:, 1:] = EMPTY
    asked = training_questions(alone, ATLAS, rng, Ledger(), per_scene=40)[0]
    assert asked
    assert not asked_pairs((alone, [asked]), "left") + asked_pairs((alone, [asked]), "front")
