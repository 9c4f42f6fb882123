"""HTML as a browser would read it: rows of text, and whatever could run or load something."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["HtmlTables", "read_html"]

_VOID = {"br", "img", "meta", "link", "input", "hr"}


class HtmlTables(HTMLParser):
    """Collects rows; fails on tags that are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        self.texts.append(data)


def read_html(text: str) -> HtmlTables:
    """Parse it; whole, safe and self-contained it has to be."""
    found = HtmlTables()
    found.feed(text)
    found.close()
    assert found._open == []
    assert found.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    assert found.attributes <= {"style", "scope"}
    return found
