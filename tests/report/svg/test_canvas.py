from __future__ import annotations

from xml.etree import ElementTree

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


def test_marks_are_where_they_are_told_to_be() -> None:
    assert line(1, 2, 3, 4, "axis") == '<line x1="1" y1="2" x2="3" y2="4" class="axis"></line>'
    bar = ElementTree.fromstring(rect(1, 2, 3, 4, "bar"))
    assert (bar.tag, bar.attrib) == (
        "rect", {"x": "1", "y": "2", "width": "3", "height": "4", "class": "bar"},
    )  # fmt: skip
    dot = ElementTree.fromstring(circle(5, 6, 2.5, "dot", "n = 5"))
    assert (dot.tag, dot.attrib) == ("circle", {"cx": "5", "cy": "6", "r": "2.5", "class": "dot"})
    assert [(child.tag, child.text) for child in dot] == [("title", "n = 5")]
    assert 'height="0"' in rect(0, 0, 5, -2, "bar")


def test_a_drawing_is_shown_at_its_own_size() -> None:
    root = ElementTree.fromstring(drawing("map", 300, 99.6, Alt("Scores", "None.")))
    assert (root.tag, root.get("width"), root.get("height")) == ("svg", "300", "100")


def test_what_is_said_under_the_pointer_is_words() -> None:
    hostile = "</title><script>alert(1)</script>"
    for mark in (rect(0, 0, 1, 1, "a", hostile), circle(0, 0, 1, "a", hostile)):
        (title,) = ElementTree.fromstring(mark)
        assert (title.tag, title.text, list(title)) == ("title", hostile, [])
    words = ElementTree.fromstring(text(0, 0, "short", hint=hostile))
    assert (words.text, words.findtext("title"), words.get("class")) == ("short", hostile, None)


def test_a_class_cannot_leave_its_attribute() -> None:
    mark = ElementTree.fromstring(path([(0, 0)], 'a" onload="alert(1)'))
    assert mark.attrib == {"d": "M0.0,0.0", "class": 'a" onload="alert(1)'}
