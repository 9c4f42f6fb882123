from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.demo.atlas import load_atlas
from superneurons.demo.questions import (
    COUNTS,
    GROUP_PHRASES,
    KINDS,
    Ledger,
    lettered,
    phrase,
    unrolled,
)
from superneurons.demo.scenes import SLOTS

NEVER_TRAINED = {"focus", "dark", "bigger", "hides", "exactly"}


def test_what_is_never_trained_is_marked() -> None:
    assert {name for name, kind in KINDS.items() if not kind.trained} == NEVER_TRAINED


@pytest.mark.parametrize(
    ("kind", "x", "expected"),
    [
        ("presence", "owl", "Is there an owl in the picture?"),
        ("presence", "shorts", "Are there shorts in the picture?"),
        ("presence", "corn", "Is there corn in the picture?"),
        ("left", "dog", "Is the dog to the left of the cat?"),
        ("left", "fries", "Are the fries to the left of the cat?"),
        ("above", "dog", "Is the dog above the cat?"),
        ("front", "dog", "Is the dog in front of the cat?"),
        ("bigger", "grapes", "Are the grapes bigger than the cat?"),
        ("hides", "dog", "Is the dog obstructing the cat?"),
        ("exactly", "", "Are there exactly two things in the picture?"),
        ("focus", "", "Is the picture out of focus?"),
        ("dark", "", "Is the picture too dark?"),
    ],
)
def test_the_first_wording_word_for_word(kind: str, x: str, expected: str) -> None:
    assert KINDS[kind].ask(x=x, y="cat", n="two") == f"{expected} Answer yes or no."


@pytest.mark.parametrize("name", ["left", "above", "front", "bigger", "hides"])
def test_relations_name_the_first_thing_first_in_every_wording(name: str) -> None:
    kind = KINDS[name]
    for wording in range(len(kind.wordings)):
        question = kind.ask(wording, x="dog", y="grapes")
        assert question.index("the dog") < question.index("the grapes")
        assert not question.startswith("Are")  # the verb goes with the first thing
        swapped = kind.ask(wording, x="grapes", y="dog")
        assert swapped.index("the grapes") < swapped.index("the dog")
        assert "Is the grapes" not in swapped


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("animal", "an animal"),
        ("food", "something to eat or drink"),
        ("plant", "a plant"),
        ("vehicle", "a vehicle"),
        ("clothing", "something to wear"),
        ("instrument", "a musical instrument"),
        ("tool", "a tool"),
        ("toy", "a toy or sports thing"),
        ("building", "a building"),
        ("device", "an electronic device"),
        ("household", "a household thing"),
    ],
)
def test_groups_are_asked_for_in_words(group: str, words: str) -> None:
    kind = KINDS["group"]
    asked = [kind.ask(wording, x=group) for wording in range(len(kind.wordings))]
    assert asked[0] == f"Is there {words} in the picture? Answer yes or no."
    assert all(words in question for question in asked)
    assert len(set(asked)) == len(asked)


def test_counts_are_number_words_for_all_that_a_scene_can_hold() -> None:
    assert COUNTS == ("one", "two", "three", "four", "five")
    assert len(COUNTS) == SLOTS
    assert KINDS["counting"].answers == COUNTS
    assert KINDS["category"].answers == load_atlas().groups
    assert KINDS["choice"].answers == ()


def test_every_wording_of_every_kind_can_be_asked_once() -> None:
    asked = [
        kind.ask(i, x="dog" if kind.name != "group" else "animal", y="cat", n="two")
        for kind in KINDS.values()
        for i in range(len(kind.wordings))
    ]
    assert not any("{" in question or "None" in question for question in asked)
    kinds = [kind for kind in KINDS.values() if kind.name != "group"]  # worded as presence is
    assert len({w for kind in kinds for w in kind.wordings}) == sum(len(k.wordings) for k in kinds)
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


def test_every_class_that_sounds_plural_is_known_to_be_or_not() -> None:
    one = {"rhinoceros", "cactus", "bus", "compass", "hourglass"}
    for name in load_atlas().classes:
        is_plural = name.endswith("s") and name not in one
        verb = KINDS["left"].ask(x=name, y="dog").split()[0]
        assert verb == ("Are" if is_plural else "Is"), name
        if is_plural:
            assert phrase(name) == name


@pytest.mark.parametrize(
    "name", ["corn", "bread", "bacon", "milk", "soup", "candy", "beer", "wine", "cheese"]
)
def test_what_cannot_be_counted_has_no_article_and_is_one(name: str) -> None:
    assert phrase(name) == name
    assert KINDS["presence"].ask(1, x=name) == f"Does the picture show {name}? Answer yes or no."
    assert KINDS["presence"].ask(x=name).startswith(f"Is there {name} in")


def test_every_group_of_the_atlas_has_a_phrase() -> None:
    assert set(load_atlas().groups) == set(GROUP_PHRASES)


def test_forms_of_multiple_choice() -> None:
    options = ("dog", "cat", "car", "egg")
    assert (
        lettered("What?", options)
        == "What?\nA) dog\nB) cat\nC) car\nD) egg\nAnswer with the letter."
    )
    assert unrolled("What?", "dog") == "What? Is it dog? Answer yes or no."


@pytest.mark.parametrize("options", [("dog",), ("a", "b", "c"), ("a", "b", "c", "d", "e")])
def test_there_are_four_options_for_four_letters(options: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        lettered("What?", options)


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


WORDS = ("one", "two", "three")
KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(WORDS), KEYS), max_size=50),
    st.integers(min_value=1, max_value=4),
)
def test_an_answer_is_admitted_just_where_it_leads_under_no_key(
    offers: list[tuple[str, list[str]]], slack: int
) -> None:
    ledger, entered = Ledger(), list[tuple[str, str]]()
    for answer, keys in offers:
        leads = [
            entered.count((key, answer)) - min(entered.count((key, word)) for word in WORDS)
            for key in keys
        ]
        admitted = ledger.admit(answer, *keys, answers=WORDS, slack=slack)
        assert admitted == (max(leads) < slack)
        entered += [(key, answer) for key in keys if admitted]
    for key in "abc":
        found = ledger.counts(key)
        assert found == {w: entered.count((key, w)) for w in WORDS if (key, w) in entered}
        found["one"] = 99
        assert ledger.counts(key) != found  # what is told is a copy


@settings(max_examples=30, deadline=None)
@given(st.lists(st.permutations("abcdef").map(lambda names: names[:4]), max_size=30))
def test_credit_is_what_an_option_was_right_too_often(questions: list[list[str]]) -> None:
    ledger = Ledger()
    for right, *wrong in questions:
        ledger.choose(right, wrong)
    for name in "abcdef":
        right = sum(row[0] == name for row in questions)
        wrong = sum(name in row[1:] for row in questions)
        assert ledger.credit(name) == 3 * right - wrong
    assert sum(ledger.credit(name) for name in "abcdef") == 0
    assert ledger.credit("never offered") == 0
