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


def test_ticks_stand_below_the_axis_and_the_name_below_them() -> None:
    scale = Scale(0, 10, _BOX.left, _BOX.right)
    found = _drawn(across(scale, _BOX, "ms", ticks=[0, 5], grid=True))
    axis, *ticks = found.of_class("axis")
    assert [number(axis, name) for name in ("x1", "x2", "y1", "y2")] == [40, 340, 180, 180]
    assert [number(tick, "x1") for tick in ticks] == [40, 190]
    assert all(number(tick, "x2") == number(tick, "x1") for tick in ticks)
    assert {(number(tick, "y1"), number(tick, "y2")) for tick in ticks} == {(180, 184)}
    (name,) = found.of_class("name")
    assert (number(name, "x"), name.get("class")) == (340, "name end")
    assert number(name, "y") > max(number(e, "y") for e in found.of_class("tick")) > 184
    assert {(number(e, "y1"), number(e, "y2")) for e in found.of_class("grid")} == {(30, 180)}


def test_a_wider_axis_has_more_numbers() -> None:
    few = _drawn(across(Scale(0, 100, 0, 90), Box(0, 30, 90, 180), ""))
    many = _drawn(across(Scale(0, 100, 0, 360), Box(0, 30, 360, 180), ""))
    assert 2 <= len(few.of_class("tick")) < len(many.of_class("tick"))


def test_a_number_is_left_out_exactly_where_it_would_touch_the_one_before() -> None:
    box = Box(0, 30, 300, 180)
    for gap, shown in ((18.9, ["10"]), (19, ["10", "20"])):
        scale = Scale(10, 20, 100, 100 + gap)
        assert _drawn(across(scale, box, "", ticks=[10, 20])).texts == shown


def test_an_upright_axis_takes_the_ticks_it_is_given() -> None:
    scale = Scale(0, 1, _BOX.bottom, _BOX.top)
    found = _drawn(up(scale, _BOX, "", ticks=[0.25, 1], write="{:.2f}".format))
    assert found.texts == ["0.25", "1.00"]
    assert [number(e, "y") - 4 for e in found.of_class("tick", "end")] == [142.5, 30]
    assert {number(e, "x") for e in found.of_class("tick")} == {33}
    assert len(_drawn(up(scale, _BOX, "", most=3)).texts) < len(_drawn(up(scale, _BOX, "")).texts)


def test_shares_are_written_with_no_more_digits_than_they_need() -> None:
    assert [in_percent(v) for v in (0.0, 0.1, 0.125, 1.0)] == ["0", "10", "12.5", "100"]
