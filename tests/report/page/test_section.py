from __future__ import annotations

from report.drawn import Page
from superneurons.report.page.section import Section, contents, placed_section, row
from superneurons.report.svg.markup import tag

_SECTION = Section("map", "Neurons", "64 were <chosen>.", tag("p", "body"))


def test_a_section_is_named_by_its_heading() -> None:
    page = Page(placed_section(_SECTION))
    (section,) = page.of("section")
    (heading,) = page.of("h2")
    assert section["aria-labelledby"] == heading["id"]
    assert page.text("p", class_="finding") == "64 were <chosen>."
    assert page.text("section").endswith("body")


def test_without_a_finding_there_is_no_line_for_it() -> None:
    page = Page(placed_section(Section("map", "Neurons", "", tag("p", "body"))))
    assert not page.of("p", class_="finding")


def test_contents_lead_to_sections() -> None:
    page = Page(contents([_SECTION]))
    assert page.of("a") == [{"href": "#map"}]
    assert page.of("nav")[0]["aria-label"]


def test_parts_beside_each_other() -> None:
    page = Page(row(tag("p", "a"), tag("p", "b"), look="first"))
    assert page.of("div") == [{"class": "row first"}]
    assert len(page.of("p")) == 2
