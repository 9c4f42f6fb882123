"""Text from elsewhere in a card: names, labels and questions that must stay what they are."""

from __future__ import annotations

import re

__all__ = ["as_code", "as_words"]


def as_words(text: object) -> str:
    r"""Return text that stands in one line of Markdown as it is.

    Examples
    --------
    >>> print(as_words("Is it *new*,\nor <old>?"))
    Is it \*new\*, or \<old\>?
    """
    line = " ".join(str(text).split())
    for mark in "\\`*_|<>[]":
        line = line.replace(mark, f"\\{mark}")
    return line


def as_code(text: object) -> str:
    r"""Return text as code in one line of Markdown, in or out of a table.

    Examples
    --------
    >>> as_code("yes"), as_code("a`b")
    ('`yes`', '`` a`b ``')
    """
    line = " ".join(str(text).split())
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return fence + space + line.replace("|", r"\|") + space + fence
