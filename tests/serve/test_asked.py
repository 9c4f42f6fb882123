"""One question between a door and the engine."""

from __future__ import annotations

import pytest

from serve.engines import BRIGHT, ShadeEngine
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
    with pytest.raises(DataError, match="no other question"):
        asked_fitted("q", BRIGHT, "Is it dark?", keys, ("p",))
    with pytest.raises(DataError, match="'no', 'yes'"):
        asked_fitted("q", BRIGHT, "", None, ("p",))
