from __future__ import annotations

import pytest

from report.drawn import drawn, number
from report.runs import bins
from superneurons.evaluate.intervals import wilson
from superneurons.report.run import Bin
from superneurons.report.svg.reliability import draw_reliability, reliability_alt

_SURE = (Bin(0.5, 0.75, 0, 0.0, 0.0), Bin(0.75, 1.0, 40, 0.9, 0.7))


def test_it_says_by_how_much_answers_are_surer_than_right() -> None:
    told = drawn(draw_reliability(_SURE, 0.2, 448, "r")).finding
    assert "40 answers are 90.0 % sure on average and 70.0 % right: 20.0 points more sure" in told
    assert "Expected calibration error 20.0 %" in told


def test_it_says_when_they_are_less_sure_than_right() -> None:
    told = reliability_alt((Bin(0.5, 1.0, 10, 0.6, 0.9),), None).finding
    assert "30.0 points less sure than right" in told
    assert "calibration error" not in told


def test_it_says_when_they_are_as_sure_as_right() -> None:
    told = reliability_alt((Bin(0.9, 1.0, 10, 1.0, 1.0),), 0.0).finding
    assert "100.0 % right: as sure as right." in told.replace("\N{NO-BREAK SPACE}", " ")


def test_answers_that_are_all_certain_are_drawn() -> None:
    found = drawn(draw_reliability((Bin(1.0, 1.0, 10, 1.0, 1.0),), 0.0, 350, "r"))
    assert len(found.of_class("dot")) == 1


def test_the_furthest_off_counts_by_its_answers() -> None:
    parts = (Bin(0.5, 0.7, 1, 0.6, 0.0), Bin(0.7, 1.0, 100, 0.9, 0.8))
    assert "Furthest off: 100 answers" in reliability_alt(parts, None).finding


@pytest.mark.parametrize("width", [350.0, 448.0])
def test_bins_with_answers_have_points_with_wilson_intervals(width: float) -> None:
    found = drawn(draw_reliability(bins(), 0.04, width, "r"))
    dots, whiskers = found.of_class("dot"), found.of_class("whisker")
    assert len(dots) == len(whiskers) == len(bins())
    last = bins()[-1]
    low, high = wilson(round(last.accuracy * last.n), last.n)
    first, tallest = dots[0], dots[-1]
    per_share = (number(first, "cy") - number(tallest, "cy")) / (last.accuracy - bins()[0].accuracy)
    tall = number(whiskers[-1], "y1") - number(whiskers[-1], "y2")
    assert tall == pytest.approx((high - low) * per_share, rel=0.02)


def test_more_answers_make_a_larger_point() -> None:
    radii = [
        number(d, "r") for d in drawn(draw_reliability(bins(), None, 448, "r")).of_class("dot")
    ]
    assert radii == sorted(radii)
    assert radii[0] >= 2.5


def test_empty_bins_have_no_point() -> None:
    found = drawn(draw_reliability(_SURE, None, 448, "r"))
    assert len(found.of_class("dot")) == 1
    assert not any(text.startswith("ECE") for text in found.texts)


def test_all_bins_are_counted_below() -> None:
    found = drawn(draw_reliability(bins(), 0.04, 448, "r"))
    assert [t for t in found.texts if t in ("11", "18", "26", "44", "201")] == [
        "11", "18", "26", "44", "201",
    ]  # fmt: skip
    heights = [number(bar, "height") for bar in found.of_class("bar")]
    assert heights == sorted(heights)


def test_confidences_below_a_half_are_on_the_scale() -> None:
    parts = (Bin(0.1, 0.3, 5, 0.2, 0.0), Bin(0.3, 0.5, 5, 0.4, 1.0))
    found = drawn(draw_reliability(parts, None, 350, "r"))
    x = [number(dot, "cx") for dot in found.of_class("dot")]
    assert x[0] < x[1]


def test_no_answers_at_all() -> None:
    assert reliability_alt((Bin(0, 1, 0, 0, 0),), None).finding == "No answers."


def test_intervals_of_few_answers_are_drawn_to_their_ends() -> None:
    parts = (Bin(0.8, 0.9, 2, 0.85, 1.0), Bin(0.9, 1.0, 50, 0.95, 0.96))
    found = drawn(draw_reliability(parts, None, 448, "r"))
    low = wilson(2, 2)[0]
    dot, whisker = found.of_class("dot")[0], found.of_class("whisker")[0]
    other = found.of_class("dot")[1]
    per_share = (number(other, "cy") - number(dot, "cy")) / 0.04
    tall = number(whisker, "y1") - number(whisker, "y2")
    assert tall == pytest.approx((1 - low) * per_share, rel=0.02)
