"""Parts of the page below the first screen."""

from __future__ import annotations

from dataclasses import dataclass

from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.words import unbroken

__all__ = ["Section", "contents", "placed_section", "row"]


@dataclass(frozen=True, slots=True)
class Section:
    """One part.

    Parameters
    ----------
    name
        Unique on the page; its address.
    title
        Its heading.
    finding
        What it shows, in a sentence; none where it is empty.
    body
        All of it.
    """

    name: str
    title: str
    finding: str
    body: Markup


def row(*parts: str, look: str = "") -> Markup:
    """Put parts beside each other where there is room."""
    return tag("div", *parts, class_=f"row {look}".strip())


def placed_section(section: Section) -> Markup:
    """Return a section with its heading."""
    finding = tag("p", unbroken(section.finding), class_="finding") if section.finding else joined()
    return tag(
        "section",
        tag("h2", section.title, id=f"{section.name}-heading"),
        finding,
        section.body,
        id=section.name,
        aria_labelledby=f"{section.name}-heading",
    )


def contents(sections: list[Section]) -> Markup:
    """Return links to all sections."""
    links = (tag("a", section.title, href=f"#{section.name}") for section in sections)
    return tag("nav", *links, aria_label="Sections")
