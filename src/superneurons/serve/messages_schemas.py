"""Requests and answers of ``/classify``, ``/v1/chat/completions`` and ``/v1/models``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from superneurons.serve.schemas import Probability, Strict

__all__ = [
    "ChatAnswer",
    "ChatChoice",
    "ChatMessage",
    "ChatRequest",
    "ChatUsage",
    "ClassifyAnswer",
    "ClassifyRequest",
    "ClassifyRow",
    "Image",
    "ImagePart",
    "LogProb",
    "LogProbs",
    "Message",
    "ModelCard",
    "Models",
    "TextPart",
    "TopLogProb",
]


class Image(Strict):
    """A picture as a data URL, or an address where these are allowed."""

    url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Strict):
    """A picture in a message."""

    type: Literal["image_url"]
    image_url: Image


class TextPart(Strict):
    """Text in a message."""

    type: Literal["text"]
    text: str


Part: TypeAlias = Annotated[ImagePart | TextPart, Field(discriminator="type")]


class Message(Strict):
    """What is shown and asked. There is one turn: nothing an assistant said before."""

    role: Literal["user", "system", "developer"]
    content: str | list[Part]


class _Messages(Strict):
    model: str | None = Field(
        default=None,
        max_length=500,
        description="A classifier's name; the base model's, or nothing: the classifier that was "
        "fitted on the question, else the base model.",
    )
    messages: list[Message] = Field(min_length=1, max_length=16)
    options: list[Annotated[str, Field(min_length=1, max_length=1000)]] | None = Field(
        default=None,
        min_length=2,
        max_length=256,
        description="Not in the original schema: the answers to choose from, for the base model "
        "and for classifiers without answers of their own.",
    )
    user: str | None = None


class ClassifyRequest(_Messages):
    """A picture to classify, as chat messages."""


class ChatRequest(_Messages):
    """A picture to classify, by clients that know chats only.

    What steers the writing of text has no effect: no text is written.
    """

    n: Literal[1] | None = None
    stream: Literal[False] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)


class ClassifyRow(BaseModel):
    """The answer: its place among the labels, and all their probabilities."""

    index: int
    label: str
    probs: list[Probability]
    num_classes: int


class ChatUsage(BaseModel):
    """Tokens of the prompt; none is written."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int
    prompt_tokens_details: None = None


class ClassifyAnswer(BaseModel):
    """What vLLM answers."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[ClassifyRow]
    usage: ChatUsage
    superneurons: dict[str, Any] | None = None


class TopLogProb(BaseModel):
    """One of the options."""

    token: str
    logprob: float
    bytes: list[int] | None


class LogProb(TopLogProb):
    """The answer, and the other options."""

    top_logprobs: list[TopLogProb]


class LogProbs(BaseModel):
    """The label as if it were one token."""

    content: list[LogProb]
    refusal: None = None


class ChatMessage(BaseModel):
    """The label."""

    role: Literal["assistant"]
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """The one answer."""

    index: int
    message: ChatMessage
    logprobs: LogProbs | None
    finish_reason: Literal["stop"]


class ChatAnswer(BaseModel):
    """What a chat model would answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
    superneurons: dict[str, Any] | None = None


class ModelCard(BaseModel):
    """A classifier, or the base model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    superneurons: dict[str, Any] | None = Field(
        description="Question, labels, layers and threshold of a classifier; null: the base model."
    )


class Models(BaseModel):
    """What is served."""

    object: Literal["list"]
    data: list[ModelCard]
