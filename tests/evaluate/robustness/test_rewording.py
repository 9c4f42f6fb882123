from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.evaluate.robustness.rewording import nonsense, reworded
from superneurons.task.record import Record

OWN = "{Is} {x} in front of {y}? Answer yes or no."


def asked(*questions: str) -> list[Record]:
    return [
        Record((Path(f"{i}.png"),), text, "yes", id=f"r{i}") for i, text in enumerate(questions)
    ]


FRONT = asked(
    "Is the dog in front of the cat? Answer yes or no.",
    "Are the scissors in front of the hot dog? Answer yes or no.",
)


def test_slots_are_filled_with_what_stood_there() -> None:
    changed = reworded(FRONT, "{Is} {y} behind {x}?", own=OWN)
    assert [record.question for record in changed] == [
        "Is the cat behind the dog?",
        "Are the hot dog behind the scissors?",
    ]


def test_all_but_the_question_stays() -> None:
    changed = reworded(FRONT, "{x}?", own=OWN)
    assert [replace(new, question="") for new in changed] == [
        replace(old, question="") for old in FRONT
    ]


def test_the_own_wording_changes_nothing() -> None:
    assert reworded(FRONT, OWN, own=OWN) == FRONT
    assert reworded(FRONT, "{question}") == FRONT


def test_without_a_pattern_the_question_is_one_slot() -> None:
    changed = reworded(asked("Is it\ndark?"), "Look. {question} Yes or no?")
    assert changed[0].question == "Look. Is it\ndark? Yes or no?"


def test_a_wording_without_slots_is_the_same_for_all() -> None:
    assert {record.question for record in reworded(FRONT, "So?", own=OWN)} == {"So?"}


def test_doubled_braces_are_braces() -> None:
    records = asked("Is {it} dark?")
    assert reworded(records, "{{{x}}}!", own="Is {{{x}}} dark?")[0].question == "{it}!"


def test_a_slot_twice_has_to_be_the_same_twice() -> None:
    own = "Is {x} or isn't {x} there?"
    assert reworded(asked("Is it or isn't it there?"), "{x}", own=own)[0].question == "it"
    with pytest.raises(DataError, match="1 of 1"):
        reworded(asked("Is it or isn't he there?"), "{x}", own=own)


def test_nonsense_is_one_word_for_a_picture() -> None:
    records = [replace(record, group=f"g{i // 2}") for i, record in enumerate(asked(*["Hm?"] * 12))]
    words = [record.question for record in reworded(records, "{word}", seed=3)]
    assert words[::2] == words[1::2]
    assert len(set(words)) > 3
    assert words == [record.question for record in reworded(records, "{word}", seed=3)]
    assert words != [record.question for record in reworded(records, "{word}", seed=4)]


def test_nonsense_has_three_to_ten_letters() -> None:
    rng = np.random.default_rng(0)
    lengths = {len(word) for word in (nonsense(rng) for _ in range(300)) if word.isalpha()}
    assert lengths == set(range(3, 11))


def test_questions_worded_otherwise_are_all_named() -> None:
    with pytest.raises(DataError) as caught:
        reworded([*FRONT, *asked("Is it?", "What?")], "{x}", own=OWN)
    assert "2 of 4 questions" in str(caught.value)
    assert [problem.what for problem in caught.value.problems] == ["'Is it?'", "'What?'"]


@pytest.mark.parametrize("wording", ["{z}?", "{x} {z} {question}?"])
def test_unknown_slots_are_named(wording: str) -> None:
    with pytest.raises(DataError, match=r"unknown slots.*z") as caught:
        reworded(FRONT, wording, own=OWN)
    assert "Is, word, x, y" in str(caught.value)


@pytest.mark.parametrize("wording", ["{x", "x}", "{}", "{0}", "{x!r}", "{x:>9}", "{x.y}"])
def test_what_is_no_template_is_refused(wording: str) -> None:
    with pytest.raises(DataError, match=r"no template|plain names"):
        reworded(FRONT, wording, own=OWN)
    with pytest.raises(DataError, match=r"no template|plain names"):
        reworded(FRONT, "Hm?", own=wording)


@pytest.mark.parametrize("wording", ["", "  \n"])
def test_nothing_is_no_question(wording: str) -> None:
    with pytest.raises(DataError, match="empty"):
        reworded(FRONT, wording)


@settings(max_examples=60, deadline=None)
@given(
    first=st.text(st.characters(codec="ascii", exclude_characters="{}"), min_size=1, max_size=12),
    second=st.text(st.characters(codec="ascii", exclude_characters="{}"), min_size=1, max_size=12),
)
def test_whatever_fills_the_slots_is_put_back(first: str, second: str) -> None:
    """There and back again: no character of a slot is lost, dots and brackets among them."""
    own, other = "<{x}> in front of <{y}>", "({y}) behind ({x})"
    assume("in front" not in f"{first} {second}")
    assume("behind" not in f"{first} {second}")
    records = asked(f"<{first}> in front of <{second}>")
    there = reworded(records, other, own=own)
    assert there[0].question == f"({second}) behind ({first})"
    assert reworded(there, own, own=other) == records


def test_literal_text_of_a_wording_is_no_pattern() -> None:
    own = "Is it (a.c) {x}?"
    assert reworded(asked("Is it (a.c) dark?"), "{x}", own=own)[0].question == "dark"
    with pytest.raises(DataError, match="1 of 1"):
        reworded(asked("Is it abc dark?"), "{x}", own=own)


def test_six_that_are_worded_otherwise_are_named_and_all_are_counted() -> None:
    records = [replace(record, id="") for record in asked(*["Hm?"] * 9)]
    with pytest.raises(DataError, match="9 of 9 questions") as caught:
        reworded(records, "{x}", own=OWN)
    assert [p.where for p in caught.value.problems] == [f"record {n}" for n in range(6)]
