"""A row's choices, and which of them is right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from superneurons.task.published.reader import Reader
from superneurons.task.rows import Row

__all__ = ["PAPER_TEMPLATE", "chosen", "drawn", "inline", "number_of", "options_of"]

PAPER_TEMPLATE = "{question} Is it {option}? Answer with yes or no."
"""How arXiv:2603.10781 (section 4) asks for one choice by itself, for
:func:`~superneurons.task.unroll.unroll`."""


def options_of(reader: Reader, row: Row, field: str = "choices") -> tuple[str, ...] | None:
    """Return a row's choices in the file's order, or keep what is wrong with them.

    Examples
    --------
    >>> from pathlib import Path
    >>> reader = Reader(Path())
    >>> options_of(reader, Row("f.json:1", {"choices": ["cab", "train"]}, ()))
    ('cab', 'train')
    >>> options_of(reader, Row("f.json:2", {"choices": ["cab", "cab"]}, ()))
    >>> reader.problems
    [Problem(where='f.json:2', what="'choices' has the same text twice: ['cab', 'cab']")]
    """
    found = row.values.get(field)
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        what = "is missing" if field not in row.values else f"must be a list, not {found!r:.40}"
        reader.bad(row.where, f"{field!r} {what}")
        return None
    if not all(isinstance(choice, str) and choice.strip() for choice in found):
        reader.bad(row.where, f"{field!r} must hold texts only, not {list(found)!r:.80}")
    elif len(found) < 2:
        reader.bad(row.where, f"{field!r} must be two or more, not {list(found)!r:.80}")
    elif len(set(found)) < len(found):
        reader.bad(row.where, f"{field!r} has the same text twice: {list(found)!r:.80}")
    else:
        return tuple(found)
    return None


def chosen(
    reader: Reader, row: Row, field: str, options: Sequence[str] | None, names: Sequence[str] = ()
) -> str | None:
    """Return the option that a field points to, or keep what is wrong and return nothing.

    Parameters
    ----------
    reader
        Keeps problems.
    row
        Where the field is.
    field
        Holds a number, counted from 0, or one of ``names``.
    options
        What it points into; of nothing, nothing is said again.
    names
        How options are called in the file, in order: ``("(A)", "(B)")``. None: by number.
    """
    if options is None:
        return None
    value = row.values.get(field)
    index = _index(value, names)
    if index is not None and 0 <= index < len(options):
        return options[index]
    among = f"one of {', '.join(names[: len(options)])}" if names else f"0 to {len(options) - 1}"
    what = "is missing" if field not in row.values else f"must be {among}, not {value!r:.40}"
    reader.bad(row.where, f"{field!r} {what}")
    return None


def drawn(answer: str, names: Sequence[str], key: str, n: int = 4) -> tuple[str, ...]:
    """Draw wrong names beside the right one, in random order; the same for the same key.

    Parameters
    ----------
    answer
        The right one, which is always among them.
    names
        All there are.
    key
        What is asked about: the name of a picture. Whoever reads the files gets the same draw.
    n
        How many, with the right one; all where there are fewer.

    Examples
    --------
    >>> drawn("a", "abcdef", "1.jpg"), drawn("a", "abcdef", "2.jpg")
    (('d', 'a', 'b', 'e'), ('c', 'b', 'f', 'a'))
    """
    wrong = [name for name in names if name != answer]
    # hashes, since no library promises that its random numbers stay what they are
    wrong.sort(key=lambda name: number_of(f"{key} {name}"))
    return tuple(sorted([answer, *wrong[: n - 1]], key=lambda name: number_of(f"{name} {key}")))


def number_of(key: str) -> int:
    """Turn a name into a number that is the same on every machine, for draws and splits.

    Examples
    --------
    >>> number_of("1.jpg") % 5
    0
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")


def inline(options: Mapping[str, str]) -> str:
    """Write options behind their names, on one line.

    Examples
    --------
    >>> inline({"(A)": "left", "(B)": "right"})
    '(A) left (B) right'
    """
    return " ".join(f"{name} {option}" for name, option in options.items())


def _index(value: object, names: Sequence[str]) -> int | None:
    if names:
        return names.index(value) if isinstance(value, str) and value in names else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
