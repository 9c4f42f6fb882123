"""What a search for shortcuts found: its front, and accuracy by exit layer."""

from __future__ import annotations

from superneurons.report.run import Curve, Tradeoff
from superneurons.shortcut.search_points import Point, ShortcutSearch

__all__ = ["front_points", "searched_curves"]

_MOST_ROUTES = 5


def front_points(found: ShortcutSearch, chosen: Point) -> tuple[Tradeoff, ...]:
    """Return what no other point beats at both accuracy and cost, and what was chosen.

    Parameters
    ----------
    found, chosen
        What was searched, and what was taken of it: that need not be on the front, but be no worse
        than chance explains.
    """
    points = found.front()
    points = points if chosen in points else (*points, chosen)
    return tuple(
        Tradeoff(
            name=f"{_route(point)}, layer {point.depth}",
            balanced_accuracy=point.accuracy,
            interval=point.interval,
            ms=point.cost_ms,
            ms_range=(point.cost_ms, point.cost_ms),
            exit_layer=point.exit_layer,
            chosen=point == chosen,
            held_out=False,
        )
        for point in sorted(points, key=lambda point: point.cost_ms)
    )


def searched_curves(found: ShortcutSearch, chosen: Point) -> tuple[Curve, ...]:
    """Return the cross-validation of a search by exit layer.

    Parameters
    ----------
    found, chosen
        What was searched, and what was taken of it. Five ways through the decoder at most are
        shown: the chosen one, then those on the front, the cheapest first.
    """
    on_the_way = [p for p in (chosen, *found.front()) if not p.site.sees_only_pictures]
    routes = [*dict.fromkeys(map(_route, on_the_way))][:_MOST_ROUTES]
    n = int(found.settings["records_answered"])
    return tuple(
        _curve(route, [p for p in found.points if _route(p) == route], n) for route in routes
    )


def _curve(route: str, points: list[Point], n: int) -> Curve:
    return Curve(
        read_out=route,
        layers=tuple(point.depth for point in points),
        balanced_accuracy=tuple(point.accuracy for point in points),
        intervals=tuple(point.interval for point in points),
        n=n,
        held_out=False,
    )


def _route(point: Point) -> str:
    """Name all of a point but its depth."""
    parts = [str(point.site)]
    if not point.site.sees_only_pictures:
        parts.append(point.order if point.template is None else "own template")
    if point.resolution is not None:
        parts.append(f"{point.resolution} pixels")
    return ", ".join(parts)
