"""Where the classifier and the base model are right, together and alone."""

from __future__ import annotations

from superneurons.evaluate.intervals import wilson
from superneurons.report.run import Agreement
from superneurons.report.svg.canvas import Alt, drawing, rect, text
from superneurons.report.svg.labels import width_of
from superneurons.report.svg.markup import Markup
from superneurons.report.svg.words import count, ends, percent

__all__ = ["agreement_alt", "draw_agreement"]

_TALL, _LINE = 46.0, 22.0


def agreement_alt(agreement: Agreement) -> Alt:
    """Say which of them is right where just one is."""
    parts = _parts(agreement)
    total = sum(n for _, n, _ in parts)
    one = agreement.only_ours + agreement.only_base
    finding = f"Of {count(total, 'record')}: {', '.join(f'{n:,} {w}' for w, n, _ in parts)}."
    if one:
        share = agreement.only_ours / one
        interval = ends(wilson(agreement.only_ours, one))
        finding += (
            f" Where just one is right ({count(one, 'record')}), it is the classifier in "
            f"{percent(share)} (95 %: {interval})."
        )
    return Alt("The classifier beside the base model's own answer", finding)


def _parts(agreement: Agreement) -> tuple[tuple[str, int, str], ...]:
    return (
        ("both right", agreement.both_right, "both"),
        ("only the classifier right", agreement.only_ours, "ours"),
        ("only the base model right", agreement.only_base, "base"),
        ("both wrong", agreement.both_wrong, "rest"),
    )


def draw_agreement(agreement: Agreement, width: float, name: str) -> Markup:
    """Draw four shares of the records as parts of one bar.

    Parameters
    ----------
    agreement
        Of at least one record.
    width
        Of the drawing.
    name
        Unique on the page.
    """
    parts = [part for part in _parts(agreement) if part[1]]
    total = sum(n for _, n, _ in parts)
    columns = 2 if width > 500 else 1
    marks, left = [], 0.0
    for number, (words, n, look) in enumerate(parts):
        wide = width * n / total
        told = f"{words}: {n:,} ({percent(n / total)})"
        marks.append(rect(left, 0, wide - 1, _TALL, f"bar {look}", told))
        if width_of(f"{n:,}") + 8 < wide:
            marks.append(text(left + wide / 2, _TALL / 2 + 5, f"{n:,}", f"number mid {look}-on"))
        row, column = divmod(number, columns)
        x, y = column * width / columns, _TALL + 26 + _LINE * row
        marks.append(rect(x, y - 10, 11, 11, f"bar {look}"))
        marks.append(text(x + 18, y, told, "note"))
        left += wide
    height = _TALL + 16 + _LINE * -(-len(parts) // columns)
    return drawing(name, width, height, agreement_alt(agreement), *marks)
