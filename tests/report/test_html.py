"""A report as a parser reads it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from report import runs
from report.drawn import Page
from superneurons.errors import OutputError
from superneurons.report.html import report_html, write_report
from superneurons.report.run import Run

_FIGURES = (
    "beside", "map", "chance", "curves", "front", "reliability", "confusion", "agreement",
)  # fmt: skip
_MADE = (
    runs.full_run, runs.sparse_run, runs.fitted_run, runs.searched_run, runs.many_answers_run,
    runs.hostile_run,
)  # fmt: skip


@pytest.fixture(scope="module")
def full() -> Page:
    return Page(report_html(runs.full_run()))


@pytest.mark.parametrize("make", _MADE)
def test_it_is_one_well_formed_page(make: Any) -> None:
    html = report_html(make())
    page = Page(html)
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert len(page.of("h1")) == len(page.of("main")) == 1
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names)), "an id is taken twice"
    headings = [name for name, _ in page.elements if re.fullmatch(r"h\d", name)]
    assert headings[0] == "h1"
    assert set(headings) <= {"h1", "h2", "h3"}


@pytest.mark.parametrize("make", _MADE)
def test_it_needs_nothing_from_elsewhere(make: Any) -> None:
    page = Page(report_html(make()))
    for name, attributes in page.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(key)
            allowed = value is None or value.startswith(
                ("#", "data:image/png;", "data:image/jpeg;")
            )
            assert allowed, (name, key, value)
        assert name not in ("link", "iframe", "object", "embed", "form", "base")
        assert not [key for key in attributes if key.startswith("on")]
    (policy,) = (m["content"] for m in page.of("meta") if m.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    for style in re.findall(r"<style>(.*?)</style>", report_html(make()), re.DOTALL):
        assert "url(" not in style
        assert "@import" not in style


def test_the_first_screen_has_question_answers_advice_and_figures(full: Page) -> None:
    header = full.text("header")
    assert full.text("h1") == "dark"
    assert runs.QUESTION in full.text("blockquote")
    assert full.text("ul", class_="labels") == "noyes"
    assert "Use Super Neurons, improved: with a balanced accuracy of 94.3 %" in header
    tiles = full.text("ul", class_="tiles")
    speed = "41.0 ms instead of 272 ms"
    for told in ("94.3 %", "95 %: 91.8 to 96.8", "6.6 ×", speed, "4 of 30", "64"):
        assert told in tiles
    assert "41 pictures occur more than once" in header


def test_every_figure_says_in_words_what_it_shows_and_what_is_counted(full: Page) -> None:
    drawings = [a for a in full.of("svg") if a.get("role") == "img"]
    assert len(drawings) == 2 * len(_FIGURES)
    for name in _FIGURES:
        assert len(full.of("figure", id=f"figure-{name}")) == 1
        for variant in (name, f"{name}-narrow"):
            finding = full.text("desc", id=f"{variant}-desc")
            assert re.search(r"\d", finding), name
            assert full.text("title", id=f"{variant}-title")
    captions = full.text("figcaption")
    for told in (
        "300 records that nothing was fitted on", "500 questions of the probing set", "95 %",
        "100 shuffles", "Wilson 95 % intervals",
    ):  # fmt: skip
        assert told in captions


@pytest.mark.parametrize(
    ("figure", "told"),
    [
        ("beside", "Super Neurons, improved 94.3 % (91.8 to 96.8)"),
        ("map", "Super Neurons, improved reads 64 of them, in layers 1 to 4"),
        ("chance", "of 17,280 neurons score above"),
        ("curves", "the base model has 51.0 %"),
        ("front", "Recommended: Super Neurons, improved, 94.3 %"),
        ("reliability", "Expected calibration error 4.1 %"),
        ("confusion", "283 of 300 answers are right"),
        ("agreement", "it is the classifier in 97.8 %"),
    ],
)
def test_findings_have_the_numbers_of_the_run(full: Page, figure: str, told: str) -> None:
    assert told in full.text("desc", id=f"{figure}-desc")


def test_sections_are_in_order_and_listed(full: Page) -> None:
    sections = [a["id"] for a in full.of("section")]
    assert sections == ["map", "layers", "time", "answers", "table", "setting"]
    links = [a["href"] for a in full.of("a")]
    assert links == [f"#{name}" for name in sections]


def test_pictures_are_described(full: Page) -> None:
    pictures = full.of("img")
    assert len(pictures) == 36
    first = pictures[0]
    assert first["alt"] == (
        "Record dark.jsonl:100: label yes, answered no with 97.0\N{NO-BREAK SPACE}% confidence"
    )
    assert all((a["src"] or "").startswith("data:image/jpeg;base64,") for a in pictures)


def test_settings_and_command_are_there(full: Page) -> None:
    assert full.text("code", id="command") == runs.full_run().command
    setting = full.text("dl")
    for told in ("fingerprint8c1f0f5e6a2b", "versions: torch2.13.0", "timing: rounds7"):
        assert told in setting


@pytest.mark.parametrize(
    ("name", "value", "gone", "line"),
    [
        ("selection", None, ("map", "chance"), "Scores of the neurons"),
        ("curves", (), ("curves",), "Accuracy by exit layer"),
        ("tradeoffs", (), ("front",), "Time of a record"),
        ("bins", (), ("reliability",), "Whether confidence can be trusted"),
        ("confusion", None, ("confusion",), "Which records are right and wrong"),
        ("agreement", None, ("agreement",), "Agreement with the base model"),
        ("comparison", None, ("beside",), "Comparison with what has to be beaten"),
    ],
)
def test_what_was_not_measured_is_left_out_and_said(
    name: str, value: object, gone: tuple[str, ...], line: str
) -> None:
    page = Page(report_html(replace(runs.full_run(), **{name: value})))
    shown = {a["id"] for a in page.of("figure")}
    assert shown == {f"figure-{figure}" for figure in _FIGURES if figure not in gone}
    missing = page.text("section", id="missing")
    assert line in missing
    assert "superneurons compare" in missing


def test_a_run_that_measured_everything_misses_nothing(full: Page) -> None:
    assert not full.of("section", id="missing")


def test_a_run_that_measured_nothing_is_still_a_page() -> None:
    page = Page(report_html(runs.sparse_run()))
    assert not page.of("figure")
    assert page.text("section", id="missing").count("measures it") == 7
    assert "Nothing is recommended" in page.text("header")
    assert page.text("code", id="command") == "superneurons fit"


def test_every_field_of_a_run_has_its_place() -> None:
    full = runs.full_run()
    whole = report_html(full)
    for known in fields(Run):
        value = getattr(full, known.name)
        other = type(value)() if isinstance(value, str | tuple | dict) else None
        assert report_html(replace(full, **{known.name: other})) != whole, known.name


def test_the_same_run_gives_the_same_page() -> None:
    assert report_html(runs.full_run()) == report_html(runs.full_run())


def test_a_large_run_is_a_small_file() -> None:
    run = runs.large_run()
    assert run.selection is not None
    assert run.selection.scores.size == 131_072
    assert len(report_html(run).encode()) <= 3_000_000


def test_no_picture_of_a_map_can_make_it_large() -> None:
    run = runs.large_run()
    assert run.selection is not None
    noise = np.random.default_rng(0).random((80, 16_384)).astype(np.float32)
    chosen = replace(run.selection, scores=noise)
    assert len(report_html(replace(run, selection=chosen)).encode()) <= 3_000_000


def test_hostile_text_is_text_everywhere() -> None:
    html = report_html(runs.hostile_run())
    page = Page(html)
    assert len(page.of("script")) == html.count("<script") == 1
    assert not page.of("img")
    assert "\x00" not in html
    assert "\u202e" not in html
    assert html.encode(), "half a character can't be written"
    shown = runs.HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\x00", "⟨U+0000⟩")
    shown = shown.replace("\ud800", "⟨U+D800⟩")
    for place in ("h1", "blockquote", "header", "nav", "main", "dl", "figcaption", "table"):
        if place != "nav":
            assert shown in page.text(place), place


@pytest.mark.parametrize("scheme", ["javascript:", "https:", "image/svg+xml"])
def test_only_small_jpegs_are_shown(scheme: str) -> None:
    page = Page(report_html(runs.hostile_run()))
    for _, attributes in page.elements:
        for key in ("src", "href"):
            assert scheme not in (attributes.get(key) or "")
    assert page.text("div", class_="no-picture").count("not a JPEG") == 9


def test_it_is_written_whole_with_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "made" / "report.html"
    write_report(runs.sparse_run(), path)
    assert path.read_text(encoding="utf-8") == report_html(runs.sparse_run())
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    write_report(runs.sparse_run(title="again"), path)
    assert "again" in path.read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(runs.sparse_run(), tmp_path / "file" / "report.html")
