from __future__ import annotations

from xml.etree import ElementTree

import pytest

from report.drawn import check_inside, drawn, number
from superneurons.report.svg.strip import Mark, beside_alt, draw_beside, draw_strip, shared_ends

_MARKS = (
    Mark("Super Neurons, improved", 0.943, (0.918, 0.968), "ours"),
    Mark("base model, first token", 0.51, (0.485, 0.535), "base"),
    Mark("majority class", 0.5, None, "rest"),
)


def test_it_says_all_values() -> None:
    told = drawn(draw_beside(_MARKS, 448, "b")).finding
    assert "Super Neurons, improved 94.3 % (91.8 to 96.8)" in told
    assert "majority class 50.0 %." in told


@pytest.mark.parametrize("width", [350.0, 448.0])
def test_values_are_one_below_the_other_with_intervals_where_known(width: float) -> None:
    found = drawn(draw_beside(_MARKS, width, "b"))
    dots = found.of_class("dot")
    assert [number(a, "cy") for a in dots] == sorted(number(a, "cy") for a in dots)
    assert number(dots[0], "cx") > number(dots[1], "cx") > number(dots[2], "cx")
    assert len(found.of_class("whisker")) == 2
    for whisker, dot in zip(found.of_class("whisker"), dots, strict=False):
        assert number(whisker, "x1") < number(dot, "cx") < number(whisker, "x2")


def test_the_scale_holds_all_intervals() -> None:
    low, high = shared_ends(_MARKS)
    assert low <= 0.485
    assert high >= 0.968


def test_long_names_are_cut_and_said_in_full_under_the_pointer() -> None:
    name = "Super Neurons, improved, at the first generated token, all layers"
    found = drawn(draw_beside([Mark(name, 0.9, None, "ours")], 350, "b"))
    assert any(text.endswith("…") for text in found.texts)
    assert name in found.hints
    assert name in beside_alt([Mark(name, 0.9, None, "ours")]).finding


def test_in_a_table_it_is_an_ornament_of_words_that_stand_beside() -> None:
    root = ElementTree.fromstring(draw_strip(_MARKS[0], (0.4, 1.0)))
    assert root.get("aria-hidden") == "true"
    assert root.get("role") is None
    check_inside(root)


def test_a_whisker_reaches_from_end_to_end_on_the_scale_of_the_table() -> None:
    ends = (0.4, 1.0)
    root = ElementTree.fromstring(draw_strip(_MARKS[0], ends, 104))
    rule, whisker = root.findall("line")
    (dot,) = root.findall("circle")
    assert (number(rule, "x1"), number(rule, "x2")) == (4, 100)
    at = {value: 4 + 96 * (value - 0.4) / 0.6 for value in (0.918, 0.943, 0.968)}
    assert number(whisker, "x1") == pytest.approx(at[0.918], abs=0.06)
    assert number(whisker, "x2") == pytest.approx(at[0.968], abs=0.06)
    assert number(dot, "cx") == pytest.approx(at[0.943], abs=0.06)
    assert {number(rule, "y1"), number(whisker, "y1"), number(dot, "cy")} == {9}
    assert (dot.get("class"), whisker.get("class")) == ("dot ours", "whisker thick ours")
    assert (dot.findtext("title") or "").startswith("Super Neurons, improved: 94.3")


def test_without_an_interval_no_whisker_is_drawn_in_a_table() -> None:
    root = ElementTree.fromstring(draw_strip(_MARKS[2], (0.4, 1.0)))
    assert len(root.findall("line")) == len(root.findall("circle")) == 1


def test_names_and_values_stand_in_the_row_of_their_mark() -> None:
    found = drawn(draw_beside(_MARKS, 448, "b"))
    rows = [number(dot, "cy") + 4 for dot in found.of_class("dot")]
    for mark, row in zip(_MARKS, rows, strict=True):
        said = [e for e in found.of_class("note", mark.look) if number(e, "y") == row]
        assert [(e.text or "").replace("\N{NO-BREAK SPACE}", " ") for e in said] == [
            mark.name, f"{100 * mark.value:.1f} %",
        ]  # fmt: skip
    assert [e.text for e in found.of_class("strong")][:1] == [_MARKS[0].name]
    assert {"".join(e.get("class", "")) for e in found.of_class("strong")} == {
        "note ours strong", "note end ours strong",
    }  # fmt: skip


def test_the_scale_holds_values_that_have_no_interval() -> None:
    low, high = shared_ends([Mark("a", 0.31, None, "rest"), Mark("b", 0.5, (0.45, 0.72), "ours")])
    assert (low, high) == (0.3, 0.8)
