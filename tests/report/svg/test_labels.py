from __future__ import annotations

import math
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from superneurons.report.svg.canvas import Box
from superneurons.report.svg.labels import Label, Place, apart, fitting, placed, width_of, wrapped

_FRAME = Box(0, 0, 400, 300)
_points = st.lists(
    st.builds(Label, st.text("abcdefgh ", min_size=1, max_size=12), st.floats(0, 400),
              st.floats(0, 300)),
    max_size=12,
)  # fmt: skip


def _box(place: Place) -> Box:
    wide = width_of(place.label.words)
    left = {"": place.x, "end": place.x - wide, "mid": place.x - wide / 2}[place.anchor]
    return Box(left, place.y - 10, left + wide, place.y + 3)


def _meet(one: Box, other: Box) -> bool:
    beside = one.right <= other.left or other.right <= one.left
    return not (beside or one.bottom <= other.top or other.bottom <= one.top)


def _at(labels: list[Label]) -> list[tuple[float, float]]:
    return [(label.x, label.y) for label in labels]


@given(_points)
def test_labels_cover_neither_each_other_nor_points_and_stay_inside(labels: list[Label]) -> None:
    dots = [Box(at.x - 4, at.y - 4, at.x + 4, at.y + 4) for at in labels]
    boxes = [_box(place) for place in placed(labels, _at(labels), [], _FRAME)]
    assert not any(_meet(one, other) for one, other in combinations(boxes, 2))
    assert not any(_meet(box, dot) for box in boxes for dot in dots)
    assert all(box.left >= 0 and box.right <= 400 for box in boxes)


@given(_points)
def test_no_other_point_is_nearer_to_a_label_than_its_own(labels: list[Label]) -> None:
    for place in placed(labels, _at(labels), [], _FRAME):
        box, away = _box(place), {}
        for label in labels:
            across = max(box.left - label.x, 0, label.x - box.right)
            away[label] = math.hypot(across, max(box.top - label.y, 0, label.y - box.bottom))
        assert away[place.label] <= min(away.values()) + 1e-9


def test_a_label_alone_is_at_the_right_of_its_point() -> None:
    (place,) = placed([Label("base", 100, 100)], [(100, 100)], [], _FRAME)
    assert (place.x, place.anchor) == (109, "")


def test_at_the_right_edge_it_is_at_the_left() -> None:
    (place,) = placed([Label("base model", 390, 100)], [(390, 100)], [], _FRAME)
    assert place.anchor == "end"


def test_what_matters_most_is_named_even_beside_a_nearer_point() -> None:
    first = Label("the one that is recommended", 200, 150)
    points = [(200.0, 150.0), (212.0, 152.0), (188.0, 148.0), (203.0, 162.0), (198.0, 138.0)]
    assert placed([first], points, [], _FRAME) == []
    assert [place.label for place in placed([first], points, [], _FRAME, surely=1)] == [first]


def test_lines_are_not_covered() -> None:
    line = Box(100, 99, 400, 101)
    (place,) = placed([Label("base", 100, 100)], [(100, 100)], [line], _FRAME)
    assert not _meet(_box(place), line)


def test_without_room_the_later_ones_are_left_out() -> None:
    frame = Box(0, 90, 130, 110)
    labels = [Label("first one", 60, 100), Label("second one", 8, 100)]
    assert [place.label for place in placed(labels, _at(labels), [], frame)] == labels[:1]


@given(st.lists(st.floats(0, 200), min_size=1, max_size=8))
def test_places_are_moved_apart_and_keep_their_order(wanted: list[float]) -> None:
    found = apart(wanted, 16, 0, 200)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    gaps = [found[b] - found[a] for a, b in pairwise(order)]
    assert all(gap >= 16 - 1e-9 for gap in gaps)
    assert max(found) <= 200
    if len(wanted) <= 12:
        assert min(found) >= -1e-9


def test_wide_letters_count_as_wide() -> None:
    assert width_of("日本語") > width_of("abc") > width_of("ill")


@given(st.text(), st.floats(20, 200))
def test_words_are_cut_to_the_room_there_is(words: str, room: float) -> None:
    cut = fitting(words, room)
    assert width_of(cut) <= room
    assert cut == words if width_of(words) <= room else cut.endswith("…")


@given(st.text("abc ,", max_size=60), st.floats(30, 200))
def test_words_are_broken_into_no_more_than_two_lines(words: str, room: float) -> None:
    lines = wrapped(words, room)
    assert 1 <= len(lines) <= 2
    assert all(width_of(line) <= room for line in lines)
    if "…" not in "".join(lines):
        assert " ".join(lines) == words
