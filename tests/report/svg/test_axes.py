from __future__ import annotations

from report.drawn import Drawn, drawn, number
from superneurons.report.svg.axes import across, in_percent, up
from superneurons.report.svg.canvas import Alt, Box, drawing
from superneurons.report.svg.scale import Scale

_BOX = Box(40, 30, 340, 180)


def _drawn(marks: str) -> Drawn:
    return drawn(drawing("a", 380, 230, Alt("t", "d"), marks))


def test_numbers_stand_where_their_values_are() -> None:
    scale = Scale(0.5, 1, _BOX.left, _BOX.right)
    found = _drawn(across(scale, _BOX, "confidence", write=in_percent))
    numbers = [e for e in found.root.iter("text") if e.get("class") == "tick mid"]
    for element in numbers:
        value = float(element.text or "nan") / 100
        assert abs(number(element, "x") - scale(value)) < 0.01
    assert len(numbers) >= 4
    assert "confidence" in found.texts


def test_numbers_that_would_touch_are_left_out_and_their_ticks_stay() -> None:
    scale = Scale(1, 30, _BOX.left, _BOX.right)
    found = _drawn(across(scale, _BOX, "", ticks=[28, 29, 30], write="{:.3f}".format))
    assert found.texts == ["28.000"]
    assert len(found.of_class("axis")) == 4


def test_an_upright_axis_has_lines_across() -> None:
    scale = Scale(0.5, 1, _BOX.bottom, _BOX.top)
    found = _drawn(up(scale, _BOX, "right, %"))
    lines = found.of_class("grid")
    assert [t for t in found.texts if t != "right, %"] == ["50", "60", "70", "80", "90", "100"]
    assert {(number(e, "x1"), number(e, "x2")) for e in lines} == {(_BOX.left, _BOX.right)}
    heights = [number(e, "y1") for e in lines]
    assert heights == sorted(heights, reverse=True)


def test_lines_go_up_only_where_asked() -> None:
    scale = Scale(0, 10, _BOX.left, _BOX.right)
    assert not _drawn(across(scale, _BOX, "ms")).of_class("grid")
    assert _drawn(across(scale, _BOX, "ms", grid=True)).of_class("grid")
