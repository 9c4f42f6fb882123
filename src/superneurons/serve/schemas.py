"""Requests and answers of ``/v1/systemone``, as ``transformers serve`` has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Asset",
    "ChoiceAnswer",
    "ChoiceQuestion",
    "Content",
    "Details",
    "ErrorBody",
    "ErrorDetail",
    "ErrorProblem",
    "NoulAnswer",
    "NoulCriteria",
    "NoulQuestion",
    "Question",
    "ScoreAnswer",
    "ScoreQuestion",
    "Strict",
    "SystemOneAnswer",
    "SystemOneRequest",
    "SystemOneUsage",
    "VoteDetail",
]

Content: TypeAlias = str | dict[str, Any] | list[Any]
"""Text, or JSON that is shown as text."""

Probability: TypeAlias = Annotated[float, Field(ge=0, le=1.000001)]


class Strict(BaseModel):
    """What callers send: no other fields, no types turned into others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoulCriteria(Strict):
    """What the two answers of a yes/no question mean."""

    true: Content | None = None
    false: Content | None = None


class NoulQuestion(Strict):
    """A yes/no question; its answer is the probability of yes."""

    type: Literal["noul"]
    instructions: Content | None = None
    criteria: NoulCriteria | None = None


class ChoiceQuestion(Strict):
    """A question with named options, each with a description or ``null``."""

    type: Literal["choice"]
    criteria: dict[str, Content | None] = Field(min_length=1, max_length=256)
    instructions: Content | None = None


class ScoreQuestion(Strict):
    """A question with levels in order."""

    type: Literal["score"]
    criteria: list[Content] = Field(min_length=1, max_length=256)
    instructions: Content | None = None


Question: TypeAlias = Annotated[
    NoulQuestion | ChoiceQuestion | ScoreQuestion, Field(discriminator="type")
]


class Asset(Strict):
    """A picture: a file as base64 (or as a data URL), or an address where these are allowed."""

    data_base64: str | None = None
    url: str | None = Field(default=None, max_length=4096)
    media_type: str | None = Field(
        default=None, max_length=100, description="Not trusted: what counts is the file itself."
    )


class SystemOneRequest(Strict):
    """Questions about a state, and the pictures in it."""

    model: str | None = Field(
        default=None,
        max_length=500,
        description="A classifier's name: it answers all questions. The base model's name, or "
        "nothing: each question goes to the classifier that it names or matches, else to the "
        "base model.",
    )
    state: Content = Field(description="What is asked about; placeholders stand for pictures.")
    questions: dict[str, Question] = Field(min_length=1, max_length=64)
    assets: dict[Annotated[str, Field(min_length=1, max_length=200)], Asset] = Field(
        default_factory=dict, max_length=4, description="Pictures, by placeholder."
    )


class NoulAnswer(BaseModel):
    """The probability of yes."""

    type: Literal["noul"]
    noul: Probability


class ChoiceAnswer(BaseModel):
    """The likeliest option; confidence is (p − 1/n) / (1 − 1/n) of its probability p."""

    type: Literal["choice"]
    choice: str
    confidence: Probability
    probabilities: dict[str, Probability]


class ScoreAnswer(BaseModel):
    """The mean level; confidence is 1 − (mean distance from the likeliest) / (that of chance)."""

    type: Literal["score"]
    score: float
    legend: dict[str, Any]
    confidence: Probability
    probabilities: dict[str, Probability]


class VoteDetail(BaseModel):
    """What one neuron said."""

    layer: int
    index: int
    activation: float
    label: str


class Details(BaseModel):
    """Who answered, and how deep that went."""

    classifier: str | None = Field(description="null: the base model's logits.")
    depth: Literal["exit", "deeper", "base", "remote"]
    layers: int = Field(description="Decoder layers that ran.")
    n_layers: int | None = Field(description="Decoder layers there are, where known.")
    label: str
    probability: Probability = Field(description="Of the label; thresholds are compared with it.")
    label_mass: float | None = Field(
        description="What the options have of the base model's probability at its first token."
    )
    waited_ms: float
    ran_ms: float
    votes: list[VoteDetail] | None = Field(
        default=None, description="Where the request asked for them with ?explain=true."
    )


class SystemOneUsage(BaseModel):
    """Tokens of the prompts; none is written."""

    input_tokens: int
    output_tokens: int


class SystemOneAnswer(BaseModel):
    """An answer for each question."""

    model: str
    answers: dict[str, NoulAnswer | ChoiceAnswer | ScoreAnswer]
    usage: SystemOneUsage
    superneurons: dict[str, Details] | None = Field(
        default=None, description="By question; left out with `Prefer: return=minimal`."
    )


class ErrorProblem(BaseModel):
    """One thing wrong with a request."""

    where: str
    what: str


class ErrorDetail(BaseModel):
    """What is wrong, where, and how to mend it."""

    type: str
    message: str
    where: str | None
    mend: str | None
    problems: list[ErrorProblem]


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetail
