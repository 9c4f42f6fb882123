"""Numbers as they are written in a report."""

from __future__ import annotations

from superneurons.report.run import Interval

__all__ = [
    "count",
    "ends",
    "middle_cut",
    "percent",
    "short",
    "significant",
    "unbroken",
    "with_ends",
]


def percent(share: float, digits: int = 1) -> str:
    """Write a share in per cent.

    Examples
    --------
    >>> print(percent(0.9431))
    94.3 %
    """
    # A no-break space: the sign must not begin a line.
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def ends(interval: Interval) -> str:
    """Write an interval of shares.

    Examples
    --------
    >>> ends((0.918, 0.968))
    '91.8 to 96.8'
    """
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def with_ends(share: float, interval: Interval | None) -> str:
    """Write a share with its interval at 95 %, where it has one."""
    return percent(share) + (f" ({ends(interval)})" if interval is not None else "")


def count(number: int, one: str, many: str | None = None) -> str:
    """Write how many of something there are.

    Examples
    --------
    >>> count(1, "record"), count(1000, "record"), count(2, "entry", "entries")
    ('1 record', '1,000 records', '2 entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def significant(value: float) -> str:
    """Write a time or a ratio with as many digits as one can use.

    Examples
    --------
    >>> [significant(value) for value in (0.5213, 2.39, 11.53, 272.4, 4096.2)]
    ['0.52', '2.4', '11.5', '272', '4,096']
    """
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def short(text: str, most: int) -> str:
    """Cut text off after so many characters, visibly.

    Examples
    --------
    >>> short("nearest neighbours", 8)
    'nearest…'
    """
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def middle_cut(text: str, most: int) -> str:
    """Leave out the middle of a text, visibly: of a path the end is wanted.

    Examples
    --------
    >>> middle_cut("/data/pictures/scene-00017.png", 20)
    '/data…cene-00017.png'
    """
    if len(text) <= most:
        return text
    head = most // 4
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def unbroken(text: str) -> str:
    r"""Keep percent signs on the line of their numbers.

    Examples
    --------
    >>> unbroken("at 95 %").split(" ")
    ['at', '95\xa0%']
    """
    return text.replace(" %", "\N{NO-BREAK SPACE}%")
