from __future__ import annotations

from itertools import pairwise

import pytest

from report.drawn import drawn, number
from report.runs import confusion, many_labels
from superneurons.report.run import Confusion
from superneurons.report.svg.confusion import confusion_alt, draw_confusion
from superneurons.report.svg.labels import width_of


def test_it_says_how_many_are_right_and_the_most_frequent_mistake() -> None:
    told = drawn(draw_confusion(confusion(0), 448, "c")).finding
    assert "283 of 300 answers are right." in told
    assert "11 records with label “yes” were answered “no”" in told


def test_a_single_mistake_and_none() -> None:
    one = Confusion(("a", "b"), ((3, 1), (0, 4)), (), (), ())
    assert "1 record with label “a” was answered “b”" in confusion_alt(one).finding
    none = Confusion(("a", "b"), ((3, 0), (0, 4)), (), (), ())
    assert confusion_alt(none).finding == "7 of 7 answers are right."


@pytest.mark.parametrize("width", [350.0, 448.0])
def test_rows_are_labels_and_columns_answers(width: float) -> None:
    found = drawn(draw_confusion(confusion(0), width, "c"))
    cells = {
        "".join(cell.itertext()).replace("\N{NO-BREAK SPACE}", " "): cell
        for cell in found.of_class("cell")
    }
    mistake = cells["label “no”, answered “yes”: 6 of 150"]
    other = cells["label “yes”, answered “no”: 11 of 150"]
    assert number(mistake, "y") < number(other, "y")
    assert number(mistake, "x") > number(other, "x")
    assert "wrong" in mistake.get("class", "")
    assert {"144", "6", "11", "139", "96.0 %", "92.7 %"} <= set(found.texts)


def test_more_of_a_row_is_darker_and_one_mistake_is_seen() -> None:
    shown = Confusion(("a", "b"), ((999, 1), (0, 0)), (), (), ())
    cells = drawn(draw_confusion(shown, 448, "c")).of_class("cell")
    shades = [number(cell, "fill-opacity") for cell in cells]
    right, mistake, empty = shades[:3]
    assert right > mistake > empty + 0.02


@pytest.mark.parametrize("n", [1, 3, 11])
@pytest.mark.parametrize("width", [350.0, 448.0, 640.0])
def test_any_number_of_labels_fits(n: int, width: float) -> None:
    found = drawn(draw_confusion(many_labels(n), width, "c"))
    assert len(found.of_class("cell")) == n * n


def test_a_hundred_labels_are_drawn_without_their_numbers() -> None:
    labels = tuple(f"a rather long name of an answer {i}" for i in range(100))
    counts = tuple(tuple(int(i == j) for j in range(100)) for i in range(100))
    found = drawn(draw_confusion(Confusion(labels, counts, (), (), ()), 350, "c"))
    assert not found.of_class("number")
    assert f"label “{labels[3]}”, answered “{labels[3]}”: 1 of 1" in found.hints
    assert len(found.of_class("cell")) == 100, "cells without answers are left out"
    names = [e for e in found.root.iter("text") if e.get("transform")]
    across = sorted(number(e, "x") for e in names)
    assert all(b - a >= 10 for a, b in pairwise(across)), "names touch"
    assert len(across) > 5
    assert all(width_of(e.text or "") <= 0.34 * 350 for e in names)


def test_a_label_without_records_has_no_share_of_right_ones() -> None:
    shown = Confusion(("a", "b"), ((0, 0), (1, 4)), (), (), ())
    texts = drawn(draw_confusion(shown, 448, "c")).texts
    assert [text for text in texts if text.endswith("%")] == ["80.0 %"]
