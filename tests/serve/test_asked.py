"""One question between a door and the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serve.engines import BRIGHT, CHOICES, SHADE, ShadeEngine
from superneurons.errors import DataError
from superneurons.serve.asked import LONGEST_TEXT, asked_base, asked_fitted
from superneurons.serve.jobs import Answer
from superneurons.serve.routing import Routing

ROUTING = Routing(ShadeEngine())


def test_labels_are_turned_into_options_and_keep_their_order() -> None:
    one = asked_base("q", ROUTING, "Which?", {"cat": "a cat", "dog": "a dog"}, ("p",))
    answer = Answer("B", {"B": 0.75, "A": 0.25}, 0.75, "base", 6)
    assert one.probabilities(answer) == {"cat": 0.25, "dog": 0.75}
    assert list(one.probabilities(answer)) == ["cat", "dog"]
    assert one.label(answer) == "dog"
    assert one.question == "Which?\nA) a cat\nB) a dog\nAnswer with the letter."


def test_yes_or_no_is_asked_in_words() -> None:
    one = asked_base("q", ROUTING, "Is it?", None, ("p",))
    assert (one.question, one.options) == ("Is it?\nAnswer yes or no.", ("yes", "no"))
    assert (one.where, one.fitted, one.pictures) == ("q", None, ("p",))
    answer = Answer("no", {"yes": 0.25, "no": 0.75}, 0.75, "base", 6)
    assert one.label(answer) == "false"
    assert one.probabilities(answer) == {"true": 0.25, "false": 0.75}


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (" ", None, "no question"),
        ("x" * (LONGEST_TEXT + 1), None, "20,001 characters"),
        ("x", {str(n): "y" * 1000 for n in range(26)}, "characters"),
        ("x", {"a": "a"}, "one option"),
        ("x", {str(n): "y" for n in range(27)}, "27 options"),
    ],
)
def test_what_the_base_model_cannot_be_asked(
    text: str, options: dict[str, str] | None, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        asked_base("q", ROUTING, text, options, ("p",))


def test_a_classifier_is_asked_its_own_question() -> None:
    keys = {"yes": "true", "no": "false"}
    one = asked_fitted("q", BRIGHT, "Is it  bright?", keys, ("p",))
    assert (one.question, one.options) == (None, None)
    spaced = "Is it" + " " * LONGEST_TEXT + "bright?"
    assert asked_fitted("q", BRIGHT, spaced, keys, ("p",)).question is None, "it is not sent on"
    with pytest.raises(DataError, match="no other question"):
        asked_fitted("q", BRIGHT, "Is it dark?", keys, ("p",))
    with pytest.raises(DataError, match="'no', 'yes'"):
        asked_fitted("q", BRIGHT, "", None, ("p",))


def test_a_classifier_with_answers_of_its_own_is_not_told_options() -> None:
    keys = {"dark": "0", "grey": "1", "pale": "2"}
    one = asked_fitted("q", SHADE, "", keys, ("p", "r"))
    assert (one.options, one.pictures, one.where) == (None, ("p", "r"), "q")
    answer = Answer("grey", {"pale": 0.125, "grey": 0.625, "dark": 0.25}, 0.625, "exit", 3)
    assert one.probabilities(answer) == {"0": 0.25, "1": 0.625, "2": 0.125}
    assert one.label(answer) == "1"


def test_a_classifier_without_a_question_is_asked_one_with_its_options() -> None:
    keys = {"cat": "cat", "dog": "dog"}
    one = asked_fitted("q", CHOICES, "Which?", keys, ("p",))
    assert (one.question, one.options) == ("Which?", ("cat", "dog"))
    with pytest.raises(DataError, match="no question of its own"):
        asked_fitted("q", CHOICES, " \n", keys, ("p",))
    with pytest.raises(DataError, match="two or more"):
        asked_fitted("q", CHOICES, "Which?", None, ("p",))


def test_a_classifier_is_asked_no_more_text_than_the_base_model() -> None:
    keys, left = {"a": "a", "bc": "bc"}, LONGEST_TEXT - 3
    assert asked_fitted("q", CHOICES, "x" * left, keys, ("p",)).fitted is CHOICES
    with pytest.raises(DataError, match="20,001 characters"):
        asked_fitted("q", CHOICES, "x" * (left + 1), keys, ("p",))
    asks_itself = replace(CHOICES, question="Which?")
    with pytest.raises(DataError, match="20,002 characters"):
        asked_fitted("q", asks_itself, "", {"a": "a", "b" * 20_001: "b"}, ("p",))


def test_the_longest_question_that_is_asked_counts_what_is_added_to_it() -> None:
    added = len("\nAnswer yes or no.")
    longest = asked_base("q", ROUTING, "x" * (LONGEST_TEXT - added), None, ("p",))
    assert len(str(longest.question)) == LONGEST_TEXT
    with pytest.raises(DataError, match="20,001 characters"):
        asked_base("q", ROUTING, "x" * (LONGEST_TEXT - added + 1), None, ("p",))


def test_every_letter_can_stand_for_an_option() -> None:
    one = asked_base("q", ROUTING, "x", {str(n): f"y{n}" for n in range(26)}, ("p",))
    assert one.options is not None
    assert one.options[0] + one.options[-1] == "AZ"
    assert one.keys["Z"] == "25"


def test_a_base_model_that_is_not_kept_is_not_asked() -> None:
    with pytest.raises(DataError, match="not kept"):
        asked_base("q", Routing(ShadeEngine(base=False)), "Is it?", None, ("p",))
