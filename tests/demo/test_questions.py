from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.demo.atlas import load_atlas
from superneurons.demo.questions import (
    GROUP_PHRASES,
    KINDS,
    Ledger,
    lettered,
    phrase,
    unrolled,
)

NEVER_TRAINED = {"focus", "dark", "bigger", "hides", "exactly"}


def test_what_is_never_trained_is_marked() -> None:
    assert {name for name, kind in KINDS.items() if not kind.trained} == NEVER_TRAINED


def test_every_wording_of_every_kind_can_be_asked_once() -> None:
    asked = [
        kind.ask(i, x="dog" if kind.name != "group" else "animal", y="cat", n="two")
        for kind in KINDS.values()
        for i in range(len(kind.wordings))
    ]
    assert not any("{" in question or "None" in question for question in asked)
    trained = [len(kind.wordings) for kind in KINDS.values() if kind.trained]
    assert min(trained) >= 4


def test_yes_no_questions_ask_for_yes_or_no_and_others_do_not() -> None:
    for kind in KINDS.values():
        question = kind.ask(x="dog" if kind.name != "group" else "animal", y="cat", n="two")
        assert question.endswith(" Answer yes or no.") == (kind.answers == ("Yes", "No"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dog", "a dog"), ("owl", "an owl"), ("umbrella", "an umbrella"), ("scissors", "scissors")],
)
def test_articles(name: str, expected: str) -> None:
    assert phrase(name) == expected


def test_verbs_agree() -> None:
    assert KINDS["presence"].ask(x="grapes").startswith("Are there grapes in")
    assert KINDS["presence"].ask(x="egg").startswith("Is there an egg in")


def test_every_group_of_the_atlas_has_a_phrase() -> None:
    assert set(load_atlas().groups) == set(GROUP_PHRASES)


def test_forms_of_multiple_choice() -> None:
    options = ("dog", "cat", "car", "egg")
    assert (
        lettered("What?", options)
        == "What?\nA) dog\nB) cat\nC) car\nD) egg\nAnswer with the letter."
    )
    assert unrolled("What?", "dog") == "What? Is it dog? Answer yes or no."


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["Yes", "No"])), max_size=60))
def test_the_ledger_never_lets_a_string_lean(offers: list[tuple[str, str]]) -> None:
    ledger = Ledger()
    for key, answer in offers:
        ledger.admit(answer, key)
        counts = ledger.counts(key)
        assert abs(counts.get("Yes", 0) - counts.get("No", 0)) <= 1


def test_the_ledger_enters_an_answer_under_all_keys_or_none() -> None:
    ledger = Ledger()
    assert ledger.admit("Yes", "dog")
    assert not ledger.admit("Yes", "dog", "cat")
    assert ledger.counts("cat") == {}
    assert ledger.admit("No", "dog", "cat")
    assert ledger.counts("cat") == {"No": 1}


def test_the_ledger_allows_a_lead_where_told() -> None:
    ledger = Ledger()
    words = ("one", "two", "three")
    took = [ledger.admit("one", "count", answers=words, slack=3) for _ in range(5)]
    assert took == [True, True, True, False, False]


def test_credit_is_even_when_an_option_is_right_one_time_in_four() -> None:
    ledger = Ledger()
    names = ["a", "b", "c", "d"]
    for right in names:
        ledger.choose(right, [n for n in names if n != right])
    assert [ledger.credit(n) for n in names] == [0, 0, 0, 0]
