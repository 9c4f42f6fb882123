"""A question put as chat messages."""

from __future__ import annotations

from typing import Any

import pytest

from serve.asking import chatted
from serve.engines import ShadeEngine
from superneurons.errors import DataError
from superneurons.serve.messages import message_asked, message_pictures
from superneurons.serve.messages_schemas import ClassifyRequest
from superneurons.serve.routing import Routing

ROUTING = Routing(ShadeEngine())


def request(**changed: Any) -> ClassifyRequest:
    return ClassifyRequest.model_validate(chatted(**changed))


def test_pictures_keep_their_order_and_place() -> None:
    body = chatted(b"first")
    body["messages"] += [{"role": "user", "content": "and"}, *chatted(b"second")["messages"]]
    found = message_pictures(ClassifyRequest.model_validate(body).messages)
    assert list(found) == ["messages.0.content.0", "messages.2.content.0"]
    assert len(set(found.values())) == 2


def test_texts_of_several_parts_and_messages_are_one_question() -> None:
    body = chatted(text="Is it")
    body["messages"].append({"role": "user", "content": "bright?"})
    asked = message_asked(ClassifyRequest.model_validate(body | {"model": None}), ROUTING)
    assert asked.fitted is not None
    assert asked.fitted.name == "bright"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"text": "Is it blue?"}, "no other question"),
        ({"options": ["yes", "maybe"]}, "'no', 'yes'"),
        ({"model": "choices"}, "no question of its own"),
        ({"model": "choices", "text": "What?"}, "name two or more"),
        ({"model": None, "text": "What?"}, "there are no options"),
        ({"model": None, "text": "What?", "options": ["a", "a"]}, "occurs twice"),
        ({"model": None, "options": ["a", "b"]}, "no question"),
    ],
)
def test_what_cannot_be_asked(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match="cannot be asked") as caught:
        message_asked(request(**changed), ROUTING)
    (problem,) = caught.value.problems
    assert said in problem.what


@pytest.mark.parametrize(("n", "taken"), [(0, False), (1, True), (4, True), (5, False)])
def test_one_to_four_pictures_are_taken(n: int, taken: bool) -> None:
    body = {"messages": chatted()["messages"] * n + [{"role": "user", "content": "Is it?"}]}
    messages = ClassifyRequest.model_validate(body).messages
    if taken:
        assert len(message_pictures(messages)) == n
        return
    with pytest.raises(DataError, match=f"have {n} pictures") as caught:
        message_pictures(messages)
    assert caught.value.where == "messages"


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_classifier_takes_no_system_message_and_the_base_model_does(role: str) -> None:
    told = [{"role": role, "content": "Be strict."}]
    with pytest.raises(DataError) as caught:
        message_asked(request(messages=told + chatted()["messages"]), ROUTING)
    assert "without a system message" in caught.value.problems[0].what
    blank = [{"role": role, "content": " "}]
    assert message_asked(request(messages=blank + chatted()["messages"]), ROUTING).fitted
    body = request(
        model=None, options=["cat", "dog"], messages=told + chatted(text="Which?")["messages"]
    )
    asked = message_asked(body, ROUTING)
    assert asked.fitted is None
    assert asked.question == "Be strict.\n\nWhich?\nA) cat\nB) dog\nAnswer with the letter."
    assert dict(asked.keys) == {"A": "cat", "B": "dog"}
    plain = request(model=None, options=["cat", "dog"], text="Which?")
    untold = message_asked(plain, ROUTING)
    assert str(untold.question).startswith("Which?"), "nothing stands before it"


def test_options_are_answers_of_a_classifier_in_any_order_or_its_own_choice() -> None:
    asked = message_asked(request(options=["yes", "no"]), ROUTING)
    assert (asked.options, dict(asked.keys)) == (None, {"no": "no", "yes": "yes"})
    own = message_asked(request(model="choices", text="What?", options=["b", "a"]), ROUTING)
    assert (own.question, own.options) == ("What?", ("b", "a"))
    assert own.pictures == ("messages.0.content.0",)


def test_no_megabytes_of_text_reach_a_classifier() -> None:
    with pytest.raises(DataError) as caught:
        message_asked(request(model="choices", text="x" * 30_000, options=["a", "b"]), ROUTING)
    assert "30,002 characters" in caught.value.problems[0].what
