from __future__ import annotations

from report.drawn import Page
from superneurons.report.page.figure import HALF, NARROW, figure
from superneurons.report.svg.canvas import Alt, drawing
from superneurons.report.svg.markup import Markup


def test_a_figure_is_drawn_for_wide_and_for_narrow_screens() -> None:
    asked = []

    def draw(width: float, name: str) -> Markup:
        asked.append((width, name))
        return drawing(name, width, 10, Alt("t", "f"))

    page = Page(figure("map", draw, "a < b", HALF))
    assert asked == [(HALF, "map"), (NARROW, "map-narrow")]
    assert page.text("figcaption") == "a < b"
    assert page.of("figure", id="figure-map")
    assert len(page.of("div", class_="for-wide")) == len(page.of("div", class_="for-narrow")) == 1
