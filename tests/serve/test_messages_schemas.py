"""Chat messages: what is taken, up to which bound, and what is refused beyond it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from serve.asking import chatted
from superneurons.serve.messages_schemas import (
    ChatAnswer,
    ChatRequest,
    ClassifyAnswer,
    ClassifyRequest,
    ImagePart,
    Models,
    TextPart,
)

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
USAGE = {"prompt_tokens": 3, "total_tokens": 3, "completion_tokens": 0}


def said(content: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content}]}


def taken(kind: type[BaseModel], body: dict[str, Any]) -> bool:
    try:
        kind.model_validate(body, strict=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", [ClassifyRequest, ChatRequest])
@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("model", "", "m" * 500),
        ("messages", said("a")["messages"], said("a")["messages"] * 16),
        ("options", ["a", "b"], [f"{n}" for n in range(256)]),
        ("options", ["a", "b"], ["a", "b" * 1000]),
    ],
)
def test_what_is_long_is_taken_up_to_its_bound(
    kind: type[BaseModel], field: str, least: Any, most: Any
) -> None:
    assert taken(kind, chatted(**{field: least}))
    assert taken(kind, chatted(**{field: most}))
    over = [most[0], most[1] * 1000] if field == "options" and len(most) == 2 else most + most[:1]
    assert not taken(kind, chatted(**{field: over}))


@pytest.mark.parametrize("kind", [ClassifyRequest, ChatRequest])
@pytest.mark.parametrize(
    ("field", "wrong"),
    [("messages", []), ("options", ["a"]), ("options", []), ("options", ["a", ""])],
)
def test_what_is_empty_is_refused(kind: type[BaseModel], field: str, wrong: Any) -> None:
    assert not taken(kind, chatted(**{field: wrong}))


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("n", [1, None], [0, 2]),
        ("stream", [False, None], [True]),
        ("logprobs", [True, False], ["yes"]),
        ("top_logprobs", [0, 20], [-1, 21]),
        ("max_tokens", [1, 10**6], [0, 1.5]),
        ("max_completion_tokens", [1], [0]),
        ("temperature", [0, 0.7, 2.0], ["hot"]),
        ("top_p", [1, 0.1], ["all"]),
        ("seed", [-1, 7], [0.5]),
        ("user", ["me"], [1]),
    ],
)
def test_what_chat_clients_send_is_taken_where_it_changes_nothing(
    field: str, right: list[Any], wrong: list[Any]
) -> None:
    assert all(taken(ChatRequest, chatted(**{field: value})) for value in right)
    assert not any(taken(ChatRequest, chatted(**{field: value})) for value in wrong)


def test_what_steers_writing_is_no_field_of_a_classification() -> None:
    assert taken(ClassifyRequest, chatted(user="me"))
    for field in ("n", "stream", "logprobs", "top_logprobs", "temperature", "max_tokens"):
        assert not taken(ClassifyRequest, chatted(**{field: None})), field


def test_parts_are_told_apart_by_their_type() -> None:
    content = [PICTURE, {"type": "text", "text": ""}]
    (message,) = ClassifyRequest.model_validate(said(content), strict=True).messages
    picture, text = message.content
    assert isinstance(picture, ImagePart)
    assert (picture.image_url.url, picture.image_url.detail) == ("data:image/png;base64,AA==", None)
    assert isinstance(text, TextPart)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([{"type": "input_audio", "input_audio": {}}], ("content",)),
        ([{"type": "text", "image_url": {"url": "x"}}], ("content", "text")),
        ([{"type": "image_url", "image_url": "x"}], ("content", "image_url")),
        ([{"type": "image_url", "image_url": {"url": ""}}], ("content", "url")),
        ([{"type": "image_url", "image_url": {"url": "x", "detail": "most"}}], ("detail",)),
        ([{"text": "a"}], ("content",)),
        (None, ("content",)),
    ],
)
def test_a_part_that_is_none_is_refused_where_it_stands(
    content: Any, place: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        ClassifyRequest.model_validate(said(content), strict=True)
    places = [error["loc"] for error in caught.value.errors()]
    assert any(set(place) <= set(found) for found in places)
    assert all(found[:2] == ("messages", 0) for found in places)


def test_of_a_part_only_what_its_type_asks_for_is_missed() -> None:
    broken = said([{"type": "image_url", "image_url": {"url": ""}}])
    with pytest.raises(ValidationError) as caught:
        ClassifyRequest.model_validate(broken, strict=True)
    text, part = (error["loc"] for error in caught.value.errors())
    assert text[-1] == "str"
    assert part[-2:] == ("image_url", "url")


def test_what_is_left_out_is_nothing() -> None:
    for kind in (ClassifyRequest, ChatRequest):
        given = kind.model_validate(said("a"), strict=True).model_dump()
        assert given.pop("messages") == said("a")["messages"]
        assert set(given.values()) == {None}


@pytest.mark.parametrize("detail", ["auto", "low", "high", None])
def test_details_of_a_picture_are_taken(detail: str | None) -> None:
    part = {"type": "image_url", "image_url": {"url": "x", "detail": detail}}
    assert taken(ChatRequest, said([part]))


@pytest.mark.parametrize(
    ("role", "is_taken"),
    [("user", True), ("system", True), ("developer", True), ("assistant", False), ("tool", False)],
)
def test_there_is_nothing_an_assistant_said_before(role: str, is_taken: bool) -> None:
    assert taken(ChatRequest, said("a", role)) == is_taken


def test_an_answer_of_vllm_has_probabilities() -> None:
    row = {"index": 1, "label": "yes", "probs": [0.25, 0.75], "num_classes": 2}
    body = {
        "id": "classify-1", "object": "list", "created": 1, "model": "m",
        "data": [row], "usage": USAGE, "superneurons": None,
    }  # fmt: skip
    # vLLM leaves prompt_tokens_details there, as null.
    own = body | {"usage": USAGE | {"prompt_tokens_details": None}}
    assert ClassifyAnswer.model_validate(body, strict=True).model_dump() == own
    for probs in ([-0.1, 1.1], [0.0, 1.1]):
        assert not taken(ClassifyAnswer, body | {"data": [row | {"probs": probs}]})
    assert not taken(ClassifyAnswer, body | {"object": "chat.completion"})


def test_a_chat_says_why_it_ended_and_refuses_nothing() -> None:
    shares = {"token": "yes", "logprob": -0.1, "bytes": [121, 101, 115]}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "yes", "refusal": None},
        "logprobs": {"content": [shares | {"top_logprobs": [shares]}], "refusal": None},
        "finish_reason": "stop",
    }
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [choice], "usage": USAGE | {"prompt_tokens_details": None}, "superneurons": {},
    }  # fmt: skip
    assert ChatAnswer.model_validate(body, strict=True).model_dump() == body
    for field, wrong in (("finish_reason", "length"), ("logprobs", []), ("message", {})):
        assert not taken(ChatAnswer, body | {"choices": [choice | {field: wrong}]})
    assert not taken(ChatAnswer, body | {"object": "list"})


def test_a_model_always_says_whether_it_is_a_classifier() -> None:
    card = {"id": "m", "object": "model", "created": 1, "owned_by": "us", "superneurons": None}
    assert taken(Models, {"object": "list", "data": [card]})
    assert not taken(Models, {"object": "list", "data": [card | {"object": "list"}]})
    del card["superneurons"]
    assert not taken(Models, {"object": "list", "data": [card]})
