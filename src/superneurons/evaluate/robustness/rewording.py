"""The same records under other questions: templates with slots, and nonsense words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from string import Formatter

import numpy as np

from superneurons.errors import DataError, Problem
from superneurons.task.groups import group_ids
from superneurons.task.record import Record

__all__ = ["QUESTION", "WORD", "nonsense", "reworded"]

QUESTION = "{question}"
"""The pattern that every question matches, as a whole."""

WORD = "word"
"""The slot of a wording that a nonsense word is put into."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST, _LONGEST = 3, 10
_MOST_NAMED = 6


def nonsense(rng: np.random.Generator) -> str:
    """Draw a word of 3 to 10 random letters.

    Notes
    -----
    arXiv 2603.10781, appendix, table 5, puts such a word in the place of a relation.

    Examples
    --------
    >>> nonsense(np.random.default_rng(0)).isalpha()
    True
    """
    length = int(rng.integers(_SHORTEST, _LONGEST + 1))
    return "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=length))


def reworded(
    records: Sequence[Record], wording: str, *, own: str = QUESTION, seed: int = 0
) -> list[Record]:
    """Ask records in another wording.

    Parameters
    ----------
    records
        N of them.
    wording
        The new question. ``{slots}`` of ``own`` are filled with what stands there in the record's
        question; ``{word}`` with a nonsense word, the same for all records of a group. Doubled
        braces are braces.
    own
        How the records' questions are worded, with slots: ``Is {x} in front of {y}?``.
    seed
        Of the nonsense words.

    Raises
    ------
    DataError
        A wording that is empty, isn't a template, or has slots that ``own`` lacks; questions that
        aren't worded like ``own`` (every one of them).

    Examples
    --------
    >>> from pathlib import Path
    >>> records = [Record((Path("a.png"),), "Is the dog in front of the cat?")]
    >>> changed = reworded(records, "Does {x} hide {y}?", own="Is {x} in front of {y}?")
    >>> changed[0].question
    'Does the dog hide the cat?'
    """
    known = set(_slots(own, "own wording"))
    unknown = sorted(set(_slots(wording, "wording")) - known - {WORD})
    if unknown or not wording.strip():
        raise DataError(
            f"The wording has unknown slots: {', '.join(unknown)}." if unknown
            else "The wording is empty.",
            where=f"wording {wording!r}",
            mend=f"Known: {', '.join(sorted({*known, WORD}))}; the own wording names them.",
        )  # fmt: skip
    found = _filled(records, own)
    if f"{{{WORD}}}" in wording:
        rng, groups = np.random.default_rng(seed), group_ids(records)
        words = {group: nonsense(rng) for group in np.unique(groups).tolist()}
        found = [
            {**slots, WORD: words[group]}
            for slots, group in zip(found, groups.tolist(), strict=True)
        ]
    return [
        replace(record, question=wording.format(**slots))
        for record, slots in zip(records, found, strict=True)
    ]


def _slots(template: str, what: str) -> list[str]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise DataError(
            f"This is no template: {error}.",
            where=f"{what} {template!r}",
            mend="Name slots as in 'Is {x} in front of {y}?'; write {{ and }} for braces.",
        ) from error
    names = [name for _, name, _, _ in parts if name is not None]
    odd = [name for name in names if not name.isidentifier()]
    if odd or any(form or turn for _, _, form, turn in parts):
        raise DataError(
            "Slots are plain names.",
            where=f"{what} {template!r}",
            mend="Name slots as in 'Is {x} in front of {y}?'.",
        )
    return names


def _filled(records: Sequence[Record], own: str) -> list[dict[str, str]]:
    """What stands in the slots of each record's question."""
    pattern, seen = "", set()
    for literal, name, _, _ in Formatter().parse(own):
        pattern += re.escape(literal)
        if name is not None:
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
            seen.add(name)
    matches = [re.fullmatch(pattern, record.question, re.DOTALL) for record in records]
    odd = [i for i, match in enumerate(matches) if match is None]
    if odd:
        raise DataError(
            f"{len(odd)} of {len(records)} questions aren't worded like {own!r}.",
            problems=[
                Problem(records[i].id or f"record {i}", repr(records[i].question))
                for i in odd[:_MOST_NAMED]
            ],
            mend="Give the wording that all of them have, with slots where they differ, or leave "
            "it out: {question} then stands for the whole question.",
        )
    return [match.groupdict() for match in matches if match is not None]
