"""Typed questions: which options stand for which answers of a classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve.asking import systemone
from serve.engines import BRIGHT, CHOICES, SHADE, ShadeEngine
from superneurons.errors import DataError
from superneurons.serve.jobs import Answer, Fitted
from superneurons.serve.questions import answer_said, confidence_of, questions_asked
from superneurons.serve.routing import Routing
from superneurons.serve.schemas import SystemOneRequest

ROUTING = Routing(ShadeEngine())


def asked(question: dict[str, Any], fitted: Fitted | None = None, **changed: Any) -> Any:
    routing = ROUTING
    if fitted is not None:
        routing = Routing(ShadeEngine())
        routing.classifiers = {"it": fitted}
        changed["model"] = "it"
    body = systemone(questions={"q": question}, **changed)
    (one,) = questions_asked(SystemOneRequest.model_validate(body), routing)
    return one


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        (("no", "yes"), {"yes": "true", "no": "false"}),
        (("True", "False"), {"True": "true", "False": "false"}),
        (("0", "1"), {"1": "true", "0": "false"}),
    ],
)
def test_yes_and_no_are_known_in_some_spellings(
    labels: tuple[str, str], keys: dict[str, str]
) -> None:
    assert asked({"type": "noul"}, replace(BRIGHT, labels=labels)).keys == keys


@pytest.mark.parametrize("labels", [("cat", "dog"), ("yes", "no", "unsure"), ("yes", "true")])
def test_other_labels_are_no_yes_and_no(labels: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        asked({"type": "noul"}, replace(BRIGHT, labels=labels))
    assert repr(labels[0]) in caught.value.problems[0].what


def test_levels_are_labels_by_text_or_by_number() -> None:
    question = {"type": "score", "criteria": ["dark", "grey", "pale"]}
    assert asked(question, SHADE).keys == {"dark": "0", "grey": "1", "pale": "2"}
    by_number = replace(SHADE, labels=("2", "0", "1"))
    assert asked(question, by_number).keys == {"0": "0", "1": "1", "2": "2"}
    with pytest.raises(DataError, match="cannot be asked"):
        asked({"type": "score", "criteria": ["dark", "pale"]}, SHADE)


def test_a_classifier_that_chooses_from_options_gets_them() -> None:
    one = asked(
        {"type": "choice", "instructions": "What?", "criteria": {"b": None, "a": "x"}}, CHOICES
    )
    assert (one.question, one.options) == ("What?", ("b", "a"))
    one = asked({"type": "noul", "instructions": "Is it?"}, CHOICES)
    assert one.options == ("yes", "no")
    own = asked({"type": "choice", "criteria": {"b": None, "a": None}}, replace(SHADE, labels=()))
    assert (own.question, own.options) == (None, ("b", "a"))
    for wrong in (
        {"type": "choice", "criteria": {"b": None, "a": None}},  # no question
        {"type": "score", "instructions": "What?", "criteria": ["a", "a"]},
        {"type": "choice", "instructions": "What?", "criteria": {"a": None}},
    ):
        with pytest.raises(DataError):
            asked(wrong, CHOICES)


def test_an_answer_is_said_as_its_question_has_it() -> None:
    body = systemone(
        questions={"q": {"type": "score", "instructions": "?", "criteria": ["a", {"b": 1}, "c"]}}
    )
    request = SystemOneRequest.model_validate(body)
    (one,) = questions_asked(request, ROUTING)
    answer = Answer("B", {"A": 0.2, "B": 0.5, "C": 0.3}, 0.5, "base", 6)
    said = answer_said(request.questions["q"], one, answer)
    assert said["score"] == pytest.approx(1.1)
    assert said["legend"] == {"0": "a", "1": {"b": 1}, "2": "c"}
    assert said["probabilities"] == {"0": 0.2, "1": 0.5, "2": 0.3}
    assert said["confidence"] == pytest.approx(1 - 0.5 / (2 / 3))


@pytest.mark.parametrize(
    ("p", "n", "confidence"), [(1.0, 1, 1), (0.5, 2, 0), (1, 4, 1), (0.1, 4, 0)]
)
def test_confidence_is_how_far_above_chance(p: float, n: int, confidence: float) -> None:
    assert confidence_of(p, n) == pytest.approx(confidence)


def test_placeholders_are_found_deep_in_the_state_longest_first() -> None:
    pixel = systemone()["assets"]["<img-1>"]
    one = asked(
        {"type": "noul", "instructions": "Is it?"},
        state={"photos": [{"of": "img-10"}, "img-1"]},
        assets={"img-1": pixel, "img-10": pixel, "unused": pixel},
    )
    assert one.pictures == ("assets.img-10", "assets.img-1")
    assert '{"photos": [{"of": "picture 1"}, "picture 2"]}' in one.question
