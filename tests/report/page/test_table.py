from __future__ import annotations

import pytest

from report.drawn import Page
from superneurons.report.page.table import Cell, Column, number, sortable

_COLUMNS = (Column("read-out", numeric=False), Column("ms", "median of one record"))
_ROWS = (
    (Cell("B & C", "b & c"), number(12.345, "12.3")),
    (Cell("A", "a"), number(None, "")),
)


@pytest.fixture
def page() -> Page:
    return Page(sortable("t", "Times", _COLUMNS, _ROWS, "wide-table"))


def test_each_heading_is_a_button_with_its_order(page: Page) -> None:
    heads = [a for a in page.of("th") if a.get("scope") == "col"]
    assert [head["aria-sort"] for head in heads] == ["none", "none"]
    buttons = page.of("button")
    assert [b["type"] for b in buttons] == ["button", "button"]
    assert buttons[1]["title"] == "median of one record; click to sort"
    assert page.text("thead") == "read-outms"


def test_the_first_cell_names_its_row(page: Page) -> None:
    assert len([a for a in page.of("th") if a.get("scope") == "row"]) == 2
    assert len(page.of("td")) == 2


def test_cells_are_sorted_by_their_values_and_not_by_what_is_shown(page: Page) -> None:
    cells = [a for name, a in page.elements if name in ("td", "th") and a.get("scope") != "col"]
    assert [cell.get("data-value") for cell in cells] == ["b & c", "12.345", "a", None]
    assert page.text("tbody") == "B & C12.3A–"


def test_only_numbers_stand_at_the_right(page: Page) -> None:
    assert len(page.of("td", class_="numeric")) == 2
    assert len(page.of("th", class_="numeric")) == 1


def test_what_scrolls_can_be_reached_and_has_a_name(page: Page) -> None:
    (part,) = page.of("div")
    assert (part["role"], part["tabindex"], part["aria-label"]) == ("region", "0", "Times")
    assert part["class"] == "scroll wide-table"


def test_each_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        sortable("t", "Times", _COLUMNS, [(Cell("A", "a"),)])


def test_zero_is_a_number() -> None:
    assert number(0, "0") == Cell("0", 0)
