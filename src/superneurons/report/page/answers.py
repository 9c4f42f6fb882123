"""What was answered to which records, and how the base model answers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath, PureWindowsPath

from superneurons.report.page.facts import answers_of
from superneurons.report.page.figure import HALF, WIDE, figure
from superneurons.report.page.section import Section, row
from superneurons.report.page.thumbnail import safe_thumbnail
from superneurons.report.run import Confusion, Example, Run
from superneurons.report.svg.agreement import agreement_alt, draw_agreement
from superneurons.report.svg.confusion import confusion_alt, draw_confusion
from superneurons.report.svg.markup import Markup, joined, tag
from superneurons.report.svg.words import middle_cut, percent

__all__ = ["answer_sections"]

_MANY = 12
_NAME = 11


def answer_sections(run: Run) -> Iterator[Section]:
    """Return confusion, agreement and pictures, as far as they are known."""
    figures = [part for part in (_confusion(run), _agreement(run)) if part is not None]
    pictures = _pictures(run.confusion) if run.confusion is not None else joined()
    if figures:
        yield Section("answers", "Answers", "", joined(row(*figures), pictures))


def _confusion(run: Run) -> Markup | None:
    confusion = run.confusion
    if confusion is None or not confusion.labels:
        return None
    caption = (
        f"{answers_of(run)}{confusion_alt(confusion).finding} The shade is the share of a row; "
        "at the right how many of a label's records were answered right."
    )
    width = HALF if len(confusion.labels) <= _MANY else WIDE
    return figure("confusion", lambda w, name: draw_confusion(confusion, w, name), caption, width)


def _agreement(run: Run) -> Markup | None:
    agreement = run.agreement
    if agreement is None:
        return None
    caption = (
        f"{answers_of(run)}{agreement_alt(agreement).finding} The base model answers by its first "
        "token."
    )
    return figure(
        "agreement", lambda width, name: draw_agreement(agreement, width, name), caption, WIDE
    )


def _pictures(confusion: Confusion) -> Markup:
    groups = (
        ("Wrong", "most confident first", "wrong", "✗", confusion.wrong),
        ("Unsure", "least confident first", "unsure", "?", confusion.unsure),
        ("Right", "most confident first", "right", "✓", confusion.right),
    )
    return joined(
        *(
            tag(
                "div",
                tag("h3", title, " ", tag("small", order)),
                tag("ul", *_items(look, sign, examples), class_="pictures"),
                class_=f"group {look}",
            )
            for title, order, look, sign, examples in groups
            if examples
        )
    )


def _items(look: str, sign: str, examples: Sequence[Example]) -> Iterator[Markup]:
    for example in examples:
        right = example.label == example.answer
        mark = sign if look != "unsure" else "✓" if right else "✗"
        answer = tag("b", example.answer)
        given = joined(answer) if right else joined(answer, ", not ", example.label)
        name = _file_name(example.path) or example.id
        yield tag(
            "li",
            _picture(example),
            tag("p", tag("span", mark, class_="sign", aria_hidden="true"), " ", given),
            tag("p", percent(example.confidence, 0), " sure", class_="small"),
            tag("p", middle_cut(name, _NAME), class_="small"),
            title=_told(example),
        )


def _told(example: Example) -> str:
    lines = (
        example.question,
        f"label {example.label}, answered {example.answer} "
        f"with {percent(example.confidence)} confidence",
        example.id,
        example.path,
    )
    return "\n".join(part for part in lines if part)


def _picture(example: Example) -> Markup:
    uri = safe_thumbnail(example.thumbnail)
    words = (
        f"Record {example.id}: label {example.label}, answered {example.answer} with "
        f"{percent(example.confidence)} confidence"
    )
    if uri is not None:
        return tag("img", src=uri, alt=words)
    why = "picture left out: not a JPEG" if example.thumbnail else "no picture kept"
    return tag("div", why, class_="no-picture", role="img", aria_label=f"{words}; {why}")


def _file_name(path: str) -> str:
    """Return the last part of a path of whatever system a run was made on."""
    return (PureWindowsPath if "\\" in path else PurePosixPath)(path).name
