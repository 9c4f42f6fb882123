from __future__ import annotations

import pytest

from superneurons.evaluate.reproduction.printed import Printed


@pytest.mark.parametrize(("table", "source"), [("2", "Table 2"), ("App. 3", "Appendix, Table 3")])
def test_it_says_where_it_is_printed(table: str, source: str) -> None:
    assert Printed(table, "pope", "llava-7b", "base").source == source


def test_what_is_not_printed_is_nothing() -> None:
    row = Printed("8", "pope", "llava-7b", "1-shot", accuracy=82.3)
    assert row.precision is row.recall is row.f1 is row.threshold is None
