from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from superneurons.report.svg.canvas import Box
from superneurons.report.svg.labels import Label, Place, apart, fitting, placed, width_of

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


@given(_points)
def test_labels_cover_neither_each_other_nor_points_and_stay_inside(labels: list[Label]) -> None:
    dots = [Box(at.x - 4, at.y - 4, at.x + 4, at.y + 4) for at in labels]
    boxes = [_box(place) for place in placed(labels, dots, _FRAME)]
    assert not any(_meet(one, other) for one, other in combinations(boxes, 2))
    assert not any(_meet(box, dot) for box in boxes for dot in dots)
    assert all(box.left >= 0 and box.right <= 400 for box in boxes)


def test_a_label_alone_is_at_the_right_of_its_point() -> None:
    (place,) = placed([Label("base", 100, 100)], [], _FRAME)
    assert (place.x, place.anchor) == (109, "")


def test_at_the_right_edge_it_is_at_the_left() -> None:
    (place,) = placed([Label("base model", 390, 100)], [], _FRAME)
    assert place.anchor == "end"


def test_without_room_the_later_ones_are_left_out() -> None:
    frame = Box(0, 90, 130, 110)
    first, second = Label("first one", 20, 100), Label("second one", 22, 100)
    assert [place.label for place in placed([first, second], [], frame)] == [first]


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
