"""Multiple choice as a base model is asked it: one prompt, answers by letter."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import replace

from superneurons.errors import DataError
from superneurons.task.record import Record

__all__ = ["LETTERS", "letter_record", "lettered"]

LETTERS = tuple(string.ascii_uppercase)


def lettered(question: str, options: Sequence[str]) -> str:
    """Return the question with its options, one per line, to be answered by letter.

    Raises
    ------
    DataError
        When there are more options than letters.

    Examples
    --------
    >>> print(lettered("What is in the picture?", ["a dog", "a car"]))
    What is in the picture?
    A) a dog
    B) a car
    Answer with the letter.
    """
    if len(options) > len(LETTERS):
        raise DataError(
            f"{len(options)} options are more than the {len(LETTERS)} letters.",
            where=question,
            mend="Ask with fewer options.",
        )
    lines = [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, "Answer with the letter."])


def letter_record(record: Record) -> Record:
    """Return a multiple-choice record asked by letter; its label becomes the letter."""
    options = record.options or ()
    label = None if record.label is None else LETTERS[options.index(record.label)]
    letters = LETTERS[: len(options)]
    return replace(
        record, question=lettered(record.question, options), label=label, options=letters
    )
