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
