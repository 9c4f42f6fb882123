"""Sentences with a sentiment, in the format of SST-2's official files, as a text task.

A file is tab-separated with the header ``sentence`` and ``label``; 0 is negative, 1 positive. The
embedded sentences are ours: SST-2 itself is not included.
"""

from __future__ import annotations

from pathlib import Path

from superneurons.amplify.tasks import TextTask
from superneurons.errors import DataError, Problem

__all__ = ["read_sentiment", "sentiment_task"]

_HEADER = "sentence\tlabel"
_WORDS = {"0": " negative", "1": " positive"}
_PROMPT = "Review: {}\nThe sentiment of the review is"
_CONTROL = "Review: {}\nThe length of the review is"


def read_sentiment(path: Path | None = None) -> list[tuple[str, bool]]:
    """Read sentences, and whether each is positive.

    Parameters
    ----------
    path
        A file such as SST-2's ``train.tsv`` or ``dev.tsv``; the embedded sentences by default.

    Raises
    ------
    DataError
        When it cannot be read; lists every row that isn't a sentence and 0 or 1.

    Notes
    -----
    Nothing is quoted in these files: a quotation mark belongs to its sentence.

    Examples
    --------
    >>> read_sentiment()[0]
    ('a warm and funny film that never loses its way', True)
    """
    path = path or Path(__file__).parent / "data" / "sentiment.tsv"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"The sentences cannot be read: {error}", where=str(path), mend="Give a TSV file."
        ) from error
    # Not splitlines: some sentences hold characters that it takes for line breaks.
    header, *lines = text.removesuffix("\n").split("\n")
    rows = [line.rstrip("\r").split("\t") for line in lines]
    problems = [
        Problem(f"{path.name}:{number}", what)
        for number, row in enumerate(rows, start=2)
        if (what := _wrong(row)) is not None
    ]
    if header.rstrip("\r") != _HEADER:
        problems.insert(0, Problem(f"{path.name}:1", f"the header is {header[:60]!r}"))
    if problems or not rows:
        raise DataError(
            "This is no file of sentences.",
            problems=problems,
            where=None if problems else str(path),
            mend="Give the header 'sentence', a tab, 'label', and below it rows of a sentence, a "
            "tab, and 0 or 1.",
        )
    return [(sentence.strip(), label == "1") for sentence, label in rows]


def sentiment_task(path: Path | None = None, *, most: int | None = None) -> TextTask:
    """Ask for the sentiment of each sentence; controls ask for its length instead.

    Parameters
    ----------
    path
        As for :func:`read_sentiment`.
    most
        Take no more than so many sentences, the first ones of each sentiment alternately.

    Raises
    ------
    DataError
        As :func:`read_sentiment` does.
    """
    found = read_sentiment(path)
    if most is not None:
        kinds = [[row for row in found if row[1] is kind] for kind in (True, False)]
        found = [row for pair in zip(*kinds, strict=False) for row in pair][:most]
    return TextTask(
        "sentiment",
        "sentiment",
        tuple(_PROMPT.format(sentence) for sentence, _ in found),
        tuple(_WORDS[str(int(positive))] for _, positive in found),
        tuple(_CONTROL.format(sentence) for sentence, _ in found),
    )


def _wrong(row: list[str]) -> str | None:
    if len(row) != 2:
        return f"has {len(row)} columns"
    sentence, label = row
    if not sentence.strip():
        return "has no sentence"
    return None if label in _WORDS else f"label is {label!r}"
