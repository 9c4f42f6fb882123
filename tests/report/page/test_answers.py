from __future__ import annotations

from dataclasses import replace

import pytest

from report.drawn import Page
from report.runs import confusion, example, full_run, many_labels, sparse_run
from superneurons.report.page.answers import answer_sections
from superneurons.report.page.section import placed_section
from superneurons.report.run import Agreement, Confusion, Example, Run


def _page(run: Run) -> Page:
    (section,) = answer_sections(run)
    return Page(placed_section(section))


def _with(one: Example, group: str = "wrong") -> Page:
    shown = replace(confusion(0), **{group: (one,)})
    return _page(sparse_run(confusion=shown))


def test_without_answers_there_is_nothing() -> None:
    assert list(answer_sections(sparse_run())) == []


def test_pictures_are_in_three_groups() -> None:
    page = _page(full_run())
    assert [page.text("div", class_=name)[:5] for name in ("wrong", "unsure", "right")] == [
        "Wrong", "Unsur", "Right",
    ]  # fmt: skip
    assert len(page.of("ul", class_="pictures")) == 3
    assert len(page.of("li")) == 36


def test_groups_without_records_are_left_out() -> None:
    page = _page(sparse_run(confusion=replace(confusion(2), wrong=())))
    assert "Wrong" not in page.text("h3")
    assert len(page.of("h3")) == 2


def test_a_wrong_answer_is_shown_beside_its_label() -> None:
    page = _with(example(7, "yes", "no", 0.934))
    assert "✗ no, not yes" in page.text("li")
    assert "93 % sure" in page.text("li")


def test_a_right_answer_needs_no_label() -> None:
    assert "✓ yes99 % sure" in _with(example(7, "yes", "yes", 0.99), "right").text("li")


@pytest.mark.parametrize(("answer", "sign"), [("yes", "✓"), ("no", "✗")])
def test_an_unsure_answer_says_whether_it_is_right(answer: str, sign: str) -> None:
    assert sign in _with(example(7, "yes", answer, 0.51), "unsure").text("li")


def test_all_of_a_record_is_told_under_the_pointer() -> None:
    one = example(7, "yes", "no", 0.934)
    (item,) = _with(one).of("li")
    told = item["title"] or ""
    for part in (one.question, one.id, one.path, "label yes, answered no"):
        assert part in told


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/data/a/scene.png", "scene.png"),
        ("C:\\data\\scene.png", "scene.png"),
        ("scene-000123456.png", "sc…3456.png"),
        ("", "da….jsonl:7"),
    ],
)
def test_the_end_of_its_file_is_shown_else_its_id(path: str, shown: str) -> None:
    page = _with(replace(example(7, "yes", "no", 0.9), path=path))
    text = page.text("li")
    assert text.endswith(shown)
    assert not page.of("a"), "paths are text"


@pytest.mark.parametrize(
    ("uri", "why"),
    [("", "no picture kept"), ("https://x.y/a.jpg", "not a JPEG"), ("data:text/html,x", "JPEG")],
)
def test_where_there_is_no_picture_it_says_why(uri: str, why: str) -> None:
    page = _with(replace(example(7, "yes", "no", 0.9), thumbnail=uri))
    assert not page.of("img")
    (box,) = page.of("div", class_="no-picture")
    assert why in page.text("div", class_="no-picture")
    assert why in (box["aria-label"] or "")


def test_agreement_alone_is_shown() -> None:
    page = _page(sparse_run(agreement=Agreement(5, 3, 1, 1)))
    assert [a["id"] for a in page.of("figure")] == ["figure-agreement"]
    assert "The base model answers by its first token." in page.text("figcaption")


def test_many_labels_have_more_room() -> None:
    def width(shown: Confusion) -> str | None:
        return _page(sparse_run(confusion=shown)).of("svg")[0]["width"]

    names = tuple(f"label {i}" for i in range(20))
    counts = tuple(tuple(int(i == j) for j in range(20)) for i in range(20))
    assert width(many_labels()) == "448"
    assert width(Confusion(names, counts, (), (), ())) == "640"
