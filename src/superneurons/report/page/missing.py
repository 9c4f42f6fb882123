"""What a run didn't measure, and which command would."""

from __future__ import annotations

from collections.abc import Iterator

from superneurons.report.page.facts import ways_of
from superneurons.report.page.section import Section
from superneurons.report.run import Run
from superneurons.report.svg.markup import Markup, joined, tag

__all__ = ["missing_sections", "not_measured"]


def not_measured(run: Run) -> tuple[tuple[str, str], ...]:
    """Return what is missing, and the commands that measure it.

    Examples
    --------
    >>> not_measured(Run("eval", "", (), (), "", {}))[0]
    ('Scores of the neurons one by one, and chance', 'fit, compare, demo')
    """
    parts = (
        ("Scores of the neurons one by one, and chance", run.selection, "fit, compare, demo"),
        ("Accuracy by exit layer", run.curves, "compare, demo"),
        ("Time of a record", run.tradeoffs, "compare, search, demo"),
        (
            "Whether confidence can be trusted",
            any(part.n for part in run.bins),
            "compare, eval",
        ),
        ("Which records are right and wrong", run.confusion, "compare, eval"),
        ("Agreement with the base model", run.agreement, "compare, eval"),
        ("Comparison with what has to be beaten", ways_of(run), "compare, eval"),
    )
    return tuple((name, commands) for name, there, commands in parts if not there)


def missing_sections(run: Run) -> Iterator[Section]:
    """Return a line for each thing that wasn't measured; nothing where all was."""
    lines = not_measured(run)
    if lines:
        items = (tag("li", name, ": ", _commands(commands), ".") for name, commands in lines)
        body = tag("ul", *items, class_="missing")
        yield Section("missing", "Not measured in this run", "", body)


def _commands(names: str) -> Markup:
    words = [tag("code", f"superneurons {name}") for name in names.split(", ")]
    parts = [*words[:1]]
    for place, word in enumerate(words[1:], start=2):
        parts += [joined(" or " if place == len(words) else ", "), word]
    return joined(*parts, " measures it")
