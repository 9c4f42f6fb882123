from __future__ import annotations

from report.drawn import drawn
from superneurons.report.svg.canvas import Alt, Box, circle, drawing, line, path, rect, text


def test_a_drawing_says_in_words_what_it_shows() -> None:
    found = drawn(
        drawing("map", 300, 99.6, Alt("Scores", "The best has 84 %."), line(0, 0, 9, 9, "a"))
    )
    root = found.root
    assert root.get("role") == "img"
    assert root.get("viewBox") == "0 0 300 100"
    assert (found.title, found.finding) == ("Scores", "The best has 84 %.")
    named = root.get("aria-labelledby", "").split()
    assert [element.get("id") for element in root][:2] == named == ["map-title", "map-desc"]


def test_marks_say_something_under_the_pointer_where_they_are_told_to() -> None:
    marks = (rect(1, 2, 3, 4, "bar", "n = 5"), circle(5, 5, 2, "dot", "x"), circle(5, 5, 2, "dot"))
    found = drawn(drawing("a", 20, 20, Alt("t", "d"), *marks))
    assert found.hints == ["n = 5", "x"]


def test_a_rectangle_is_never_smaller_than_nothing() -> None:
    assert 'width="0"' in rect(0, 0, -1, 5, "bar")


def test_a_path_goes_through_its_points() -> None:
    assert 'd="M0.0,1.0L2.0,3.0"' in path([(0, 1), (2, 3)], "curve")
    assert 'd="M0.0,1.0L2.0,3.0Z"' in path([(0, 1), (2, 3)], "band", closed=True)


def test_words_are_words() -> None:
    assert text(1, 2, "<b>", "note") == '<text x="1" y="2" class="note">&lt;b&gt;</text>'
    assert "transform" in text(1, 2, "a", transform="rotate(-90 1 2)")


def test_a_box_knows_its_size() -> None:
    box = Box(10, 20, 110, 70)
    assert (box.width, box.height) == (100, 50)
