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


def test_of_two_mistakes_the_more_frequent_is_told_with_its_direction() -> None:
    shown = Confusion(("a", "b", "c"), ((5, 2, 0), (0, 5, 7), (1, 0, 5)), (), (), ())
    told = confusion_alt(shown).finding
    assert told == (
        "15 of 25 answers are right. Most frequent mistake: 7 records with label “b” were "
        "answered “c”."
    )


def test_right_answers_are_on_the_diagonal_and_nowhere_else() -> None:
    found = drawn(draw_confusion(many_labels(4), 448, "c"))
    cells = found.of_class("cell")
    right = [i for i, cell in enumerate(cells) if "ours" in (cell.get("class") or "").split()]
    wrong = [i for i, cell in enumerate(cells) if "wrong" in (cell.get("class") or "").split()]
    assert right == [0, 5, 10, 15]
    assert sorted(right + wrong) == list(range(16))


def test_each_row_says_its_share_of_right_ones_beside_itself() -> None:
    shown = Confusion(("a", "b", "c"), ((1, 3, 0), (0, 4, 0), (1, 1, 2)), (), (), ())
    found = drawn(draw_confusion(shown, 448, "c"))
    shares = [e for e in found.root.iter("text") if (e.text or "").endswith("%")]
    assert [(e.text or "")[:-2] for e in shares] == ["25.0", "100.0", "50.0"]
    cells = found.of_class("cell")
    for row, share in enumerate(shares):
        top, tall = number(cells[3 * row], "y"), number(cells[3 * row], "height")
        assert top < number(share, "y") < top + tall


def test_cut_labels_are_said_in_full_under_the_pointer() -> None:
    long = "an answer with a name that no figure has room for"
    shown = Confusion((long, "b"), ((1, 0), (0, 1)), (), (), ())
    found = drawn(draw_confusion(shown, 350, "c"))
    assert long not in found.texts
    assert found.hints.count(long) == 2, "at its row and at its column"


def test_twenty_labels_have_all_their_cells_and_one_more_only_those_with_answers() -> None:
    for n, cells in ((20, 400), (21, 21)):
        counts = tuple(tuple(int(i == j) for j in range(n)) for i in range(n))
        shown = Confusion(tuple(f"l{i}" for i in range(n)), counts, (), (), ())
        assert len(drawn(draw_confusion(shown, 640, "c")).of_class("cell")) == cells
