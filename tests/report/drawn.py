"""Reads drawings and pages back, to see what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

Attributes = dict[str, str | None]


@dataclass(frozen=True)
class Drawn:
    """A drawing, which has to be well-formed."""

    root: ElementTree.Element

    @property
    def title(self) -> str:
        return self.root.findtext("title") or ""

    @property
    def finding(self) -> str:
        return plain(self.root.findtext("desc") or "")

    @property
    def texts(self) -> list[str]:
        return [plain(element.text or "") for element in self.root.iter("text")]

    @property
    def hints(self) -> list[str]:
        """What is said under the pointer."""
        return [plain(e.text or "") for e in self.root.iter("title") if e.text][1:]

    def of_class(self, *classes: str) -> list[ElementTree.Element]:
        wanted = set(classes)
        return [e for e in self.root.iter() if wanted <= set(e.get("class", "").split())]


def drawn(markup: str) -> Drawn:
    found = Drawn(ElementTree.fromstring(markup))
    check_inside(found.root)
    return found


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.get(name, "nan"))


def check_inside(root: ElementTree.Element) -> None:
    """Refuse marks outside the drawing, and places that are no numbers."""
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for element in root.iter():
        for name, most in (
            ("x", width),
            ("x1", width),
            ("x2", width),
            ("cx", width),
            ("y", height),
            ("y1", height),
            ("y2", height),
            ("cy", height),
        ):
            if name in element.attrib:
                value = number(element, name)
                assert -1 <= value <= most + 1, (element.tag, element.attrib, most)
        for name in ("width", "height", "r"):
            assert name not in element.attrib or number(element, name) >= 0


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


class Page(HTMLParser):
    """A page as a parser sees it: elements in order, and the text within those that are open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.words: list[str] = []
        self._open: list[tuple[str, Attributes]] = []
        self._text: list[tuple[tuple[tuple[str, Attributes], ...], str]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "hr"):
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1][0] == tag, f"</{tag}> in {self._open[-1]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._text.append((tuple(self._open), data))

    def text(self, tag: str = "body", **attributes: str) -> str:
        """All text within elements of a kind, but not of scripts and styles."""
        found = [
            words
            for path, words in self._text
            if any(_fits(element, tag, attributes) for element in path)
            and not any(name in ("script", "style") for name, _ in path)
        ]
        return plain("".join(found))

    def of(self, tag: str, **attributes: str) -> list[Attributes]:
        return [a for name, a in self.elements if _fits((name, a), tag, attributes)]


def _fits(element: tuple[str, Attributes], tag: str, wanted: dict[str, Any]) -> bool:
    name, attributes = element
    return name == tag and all(
        value in (attributes.get(key.rstrip("_").replace("_", "-")) or "").split()
        for key, value in wanted.items()
    )
