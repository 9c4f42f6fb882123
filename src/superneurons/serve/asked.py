"""One question between a door and the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superneurons.errors import DataError
from superneurons.serve.jobs import Answer, Fitted
from superneurons.serve.routing import Routing, bare
from superneurons.task.lettered import LETTERS, lettered

__all__ = ["LONGEST_TEXT", "Asked", "Plan", "asked_base", "asked_fitted"]

LONGEST_TEXT = 20_000
"""Characters of a question, with its state and options: far above what a prompt can hold."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the engine is asked it.

    Parameters
    ----------
    where
        Its place in the request.
    fitted
        The classifier that answers; ``None``: the base model.
    question, options
        As in :class:`~superneurons.serve.jobs.Job`.
    keys
        The engine's labels, each with the option of the request that it stands for, in order.
    pictures
        Names of the pictures it is about.
    """

    where: str
    fitted: Fitted | None
    question: str | None
    options: tuple[str, ...] | None
    keys: Mapping[str, str]
    pictures: tuple[str, ...]

    def probabilities(self, answer: Answer) -> dict[str, float]:
        """Return the probability of each option of the request, in its order."""
        found = dict.fromkeys(self.keys.values(), 0.0)
        for label, probability in answer.probabilities.items():
            found[self.keys[label]] += float(probability)
        return found

    def label(self, answer: Answer) -> str:
        """Return the answer as an option of the request."""
        return self.keys[answer.label]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request comes to.

    Parameters
    ----------
    asked
        Its questions.
    sources
        Its pictures by name: base64, data URL or address.
    reply
        Makes the body of the answer of the answers, in the order of ``asked``.
    explain
        Whether the votes are wanted.
    """

    asked: Sequence[Asked]
    sources: Mapping[str, str]
    reply: Callable[[Sequence[Answer]], dict[str, Any]]
    explain: bool = False


def asked_fitted(
    where: str,
    fitted: Fitted,
    text: str,
    keys: Mapping[str, str] | None,
    pictures: tuple[str, ...],
) -> Asked:
    """Ask a classifier.

    Parameters
    ----------
    where
        The question's place in the request.
    fitted
        The classifier.
    text
        The question as it was asked; may be empty where the classifier has its own.
    keys
        The answers it is to choose from, each with the option that stands for it; ``None`` where
        the request says none, or none that are this classifier's.
    pictures
        Names of the pictures.

    Raises
    ------
    DataError
        When the classifier answers another question, has other answers, or is asked with more
        text than a prompt holds.
    """
    if fitted.question is not None and bare(text) not in ("", bare(fitted.question)):
        raise DataError(f"{fitted.name} answers {fitted.question!r}, and no other question")
    if fitted.question is None and not bare(text):
        raise DataError(f"{fitted.name} has no question of its own: ask one")
    if keys is None:
        answers = ", ".join(map(repr, fitted.labels))
        raise DataError(
            f"the answers of {fitted.name} are {answers}: ask with these as options"
            if fitted.labels
            else f"{fitted.name} chooses from options: name two or more, each once"
        )
    own = () if fitted.labels else tuple(keys)
    _check_length(sum(map(len, (text if fitted.question is None else "", *own))))
    return Asked(
        where,
        fitted,
        text if fitted.question is None else None,
        own or None,
        keys,
        pictures,
    )


def asked_base(
    where: str,
    routing: Routing,
    text: str,
    options: Mapping[str, str] | None,
    pictures: tuple[str, ...],
) -> Asked:
    """Ask the base model: yes or no, or one of some options, by letter.

    Parameters
    ----------
    where
        The question's place in the request.
    routing
        Knows whether there is a base model to ask.
    text
        The question.
    options
        Each option with how it is shown; ``None`` for yes or no, of which the options are
        ``true`` and ``false``.
    pictures
        Names of the pictures.

    Raises
    ------
    DataError
        When there is no base model to ask, no question, one option, or more than letters.
    """
    routing.base()
    if not bare(text):
        raise DataError("there is no question: give instructions")
    _check_length(len(text))
    if options is None:
        keys = {"yes": "true", "no": "false"}
        asking = f"{text}\nAnswer yes or no."
    else:
        if len(options) < 2:
            raise DataError("one option: there is nothing to ask")
        if len(options) > len(LETTERS):
            raise DataError(f"{len(options)} options, more than the {len(LETTERS)} letters")
        keys = dict(zip(LETTERS, options, strict=False))
        asking = lettered(text, list(options.values()))
    _check_length(len(asking))
    return Asked(where, None, asking, tuple(keys), keys, pictures)


def _check_length(characters: int) -> None:
    if characters > LONGEST_TEXT:
        raise DataError(f"{characters:,} characters, more than {LONGEST_TEXT:,}")
