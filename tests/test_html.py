from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from html_tables import read_html
from superneurons._html import facts, paragraph, table


def test_a_table_has_a_head_and_its_rows() -> None:
    found = read_html(table(["name", "value"], [["a", 1], ["b", None]], caption="All of it"))
    assert found.rows == [["name", "value"], ["a", "1"], ["b", "–"]]
    assert "All of it" in found.texts
    assert "caption" not in read_html(table(["name"], [])).tags


def test_facts_are_names_and_values() -> None:
    assert read_html(facts([("site", "mlp"), ("question", None)])).rows == [
        ["site", "mlp"],
        ["question", "–"],
    ]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_nothing_in_it_can_run(text: str) -> None:
    whole = table([text], [[text]], caption=text) + facts([(text, text)], caption=text)
    found = read_html(whole + paragraph(text))
    assert found.rows == [[text], [text], [text, text]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=4))
def test_every_cell_comes_back(cells: list[str]) -> None:
    assert read_html(table(cells, [cells])).rows == [cells, cells]


def test_no_text_is_no_paragraph() -> None:
    assert paragraph("") == ""


def test_it_is_cheap_to_import() -> None:
    code = "import sys, superneurons._html; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
