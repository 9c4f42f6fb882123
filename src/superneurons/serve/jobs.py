"""What the doors of the service hand to the engine, and what they get back."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Answer", "Depth", "Engine", "Fitted", "Job", "Vote"]

Depth = Literal["exit", "deeper", "base", "remote"]
"""How far an answer went: the classifier's exit layer, a deeper one, the whole model's own logits,
another service."""


@dataclass(frozen=True, slots=True)
class Job:
    """One question about one or more pictures.

    Parameters
    ----------
    pictures
        Decoded, upright and in RGB: bad pictures are refused before they get here.
    classifier
        The fitted classifier that answers, by name; ``None`` asks the base model's logits.
    question
        What the base model is asked. ``None`` with a classifier that has a question of its own.
    options
        The answers to choose from, for the base model and for classifiers whose records bring
        options of their own.
    deadline
        Moment of ``time.monotonic`` after which nobody waits for the answer.
    explain
        Whether the answer says which neurons voted for what.
    request
        The same object in all jobs of one request, which isn't refused for its own length.
    """

    pictures: tuple[Image, ...]
    classifier: str | None = None
    question: str | None = None
    options: tuple[str, ...] | None = None
    deadline: float = float("inf")
    explain: bool = False
    request: object | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """What one neuron said: its layer and index, its activation, and the answer it is for."""

    layer: int
    index: int
    activation: float
    label: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one job.

    Parameters
    ----------
    label, probabilities, confidence
        As in :class:`~superneurons.shortcut.prediction.Prediction`.
    depth
        How far it went.
    layers
        Decoder layers that ran for it.
    label_mass
        What the options have of the base model's probability at its first token; ``None`` for
        answers of a classifier.
    input_tokens
        Length of the prompt, pictures included; 0 where unknown.
    waited_ms, ran_ms
        From submission until its batch began, and how long that batch took.
    votes
        Where the job asked for them.
    """

    label: str
    probabilities: Mapping[str, float]
    confidence: float
    depth: Depth
    layers: int
    label_mass: float | None = None
    input_tokens: int = 0
    waited_ms: float = 0.0
    ran_ms: float = 0.0
    votes: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the doors may know of a classifier that is served.

    Parameters
    ----------
    name
        Its directory's name.
    question
        Its question; ``None`` where each record asks its own.
    labels
        Its answers; empty where each record brings options.
    exit_layer, n_layers
        Decoder layers that run for it, of how many.
    threshold
        Confidence below which its answers escalate; ``None`` when they never do.
    about
        What its card says: base model, commit, read-out, records it was fitted on.
    """

    name: str
    question: str | None
    labels: tuple[str, ...]
    exit_layer: int
    n_layers: int
    threshold: float | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """One base model and the classifiers on it, answering jobs in batches of its own making."""

    @property
    def classifiers(self) -> Mapping[str, Fitted]:
        """The classifiers served, by name."""

    @property
    def base_model(self) -> str:
        """The base model's name."""

    @property
    def asks_base(self) -> bool:
        """Whether the whole model is kept, so that jobs without a classifier are taken."""

    @property
    def ready(self) -> bool:
        """Whether it takes jobs: opened, warmed up, its worker alive, not draining, not stuck."""

    @property
    def stuck(self) -> bool:
        """Whether only a new process helps: what the model runs doesn't end."""

    def submit(self, job: Job) -> Future[Answer]:
        """Queue a job.

        The future holds the answer, or the error of this job alone: ``DataError`` for what cannot
        be asked, ``DeadlineError`` when its time ran out, ``BusyError`` when the service stopped
        before it began. Cancelling it while it is queued takes it out.

        Raises
        ------
        BusyError
            At once, when the queue is full or the service is draining.
        DataError
            At once, when no such classifier is served or it cannot be asked this.
        """

    def state(self) -> Mapping[str, float]:
        """Return what there is to measure: jobs queued, running, answered, refused; batch sizes."""

    def drain(self, timeout: float) -> bool:
        """Refuse new jobs, finish the accepted ones; return whether all were finished in time."""
