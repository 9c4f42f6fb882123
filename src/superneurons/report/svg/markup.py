"""Elements of HTML and SVG, in which all text is escaped unless it is markup already."""

from __future__ import annotations

import re
from html import escape
from typing import TypeAlias

__all__ = ["Attribute", "Markup", "joined", "tag", "visible"]

Attribute: TypeAlias = str | float | bool | None

_VOID = frozenset({"br", "hr", "img", "meta"})
# Controls that no text needs, halves of surrogate pairs, which no file can hold, and what turns the
# direction of all that follows (CVE-2021-42574).
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Markup(str):
    """Text that is escaped already; only :func:`tag` and :func:`joined` should make it."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""Return text whose unseen controls are written out.

    Examples
    --------
    >>> visible("a\u202eb")
    'a⟨U+202E⟩b'
    """
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def joined(*parts: str) -> Markup:
    """Put parts one after the other; those that aren't markup are escaped."""
    return Markup("".join(map(_safe, parts)))


def tag(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Return an element.

    Parameters
    ----------
    name
        Its name.
    *children
        Markup as it is, other text escaped.
    **attributes
        ``class_`` is ``class``, ``data_value`` is ``data-value``. Numbers are rounded to
        hundredths; ``None`` and ``False`` leave an attribute out, ``True`` gives it no value.

    Examples
    --------
    >>> print(tag("p", "a < b", tag("br"), class_="note"))
    <p class="note">a &lt; b<br></p>
    """
    start = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{start}>")
    return Markup(f"<{name}{start}>{joined(*children)}</{name}>")


def _safe(part: str) -> str:
    return part if isinstance(part, Markup) else escape(visible(part))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    if isinstance(value, int | float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{escape(visible(value))}"'
