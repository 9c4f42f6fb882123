from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from superneurons.evaluate.reproduction.paper_rows import PAPER_ROWS
from superneurons.evaluate.reproduction.printed import Method, Metric, Printed, PrintedTimes, Scored


@pytest.mark.parametrize(("table", "source"), [("2", "Table 2"), ("App. 3", "Appendix, Table 3")])
def test_it_says_where_it_is_printed(table: str, source: str) -> None:
    assert Printed(table, "pope", "llava-7b", "base").source == source


def test_what_is_not_printed_is_nothing() -> None:
    row = Printed("8", "pope", "llava-7b", "1-shot", accuracy=82.3)
    assert row.precision is row.recall is row.f1 is row.threshold is None


def test_the_main_setting_is_other_records_and_nothing_special() -> None:
    row = Printed("2", "pope", "llava-7b", "base", accuracy=89.8)
    assert (row.scored_on, row.detail, row.metric) == ("validation", "", None)
    assert (row.last_layer, row.n_probe, row.seconds) == (None, None, None)


def test_rows_are_known_by_all_that_is_printed() -> None:
    """Two settings of one table are two rows; a row is not mended in passing."""
    row = Printed("5", "pope", "llava-7b", "mean", accuracy=90.9)
    other = Printed("5", "pope", "llava-7b", "mean", accuracy=90.9, detail="images shuffled")
    assert len({row, other, Printed("5", "pope", "llava-7b", "mean", accuracy=90.9)}) == 2
    with pytest.raises(FrozenInstanceError):
        row.accuracy = 99.0  # type: ignore[misc]


def test_the_papers_rows_use_known_words_only() -> None:
    for row in PAPER_ROWS:
        assert row.method in get_args(Method)
        assert row.scored_on in get_args(Scored)
        assert row.metric in (None, *get_args(Metric))


def test_what_the_paper_prints_is_in_per_cent_and_figures_fit_each_other() -> None:
    """F1 lies between precision and recall, and is their harmonic mean to the last digit."""
    for row in PAPER_ROWS:
        for name in ("accuracy", "precision", "recall", "f1", "threshold"):
            value = getattr(row, name)
            assert value is None or 1 < value <= 100, (row, name)
        if row.precision is not None and row.recall is not None and row.f1 is not None:
            f1 = 2 * row.precision * row.recall / (row.precision + row.recall)
            assert row.f1 == pytest.approx(f1, abs=0.6), row


def test_parts_of_a_time_are_named_apart() -> None:
    times = PrintedTimes("9", "llava-7b", "base", 8, 0.1, 0.2, 0.3, 0.7)
    parts = ("embedding", "prefill", "decoding", "wall")
    assert [getattr(times, part) for part in parts] == [0.1, 0.2, 0.3, 0.7]
    assert {field.name for field in fields(times)} == {
        "table", "model", "method", "max_new_tokens", *parts
    }  # fmt: skip
