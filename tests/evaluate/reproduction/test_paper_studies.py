from __future__ import annotations

from superneurons.evaluate.reproduction.paper_studies import STUDY_ROWS, TIMES
from superneurons.evaluate.reproduction.paper_tables import MAIN_ROWS
from superneurons.evaluate.reproduction.printed import Printed


def of(table: str) -> list[Printed]:
    return [row for row in STUDY_ROWS if row.table == table]


def test_every_table_is_there() -> None:
    counts = {table: len(of(table)) for table in dict.fromkeys(row.table for row in STUDY_ROWS)}
    assert counts == {
        "3": 2, "8": 9, "App. 3": 12, "4": 10, "9": 2, "5": 4, "6": 2, "7": 3, "App. 6": 4,
        "App. 5": 16,
    }  # fmt: skip


def test_no_row_is_there_twice() -> None:
    assert len(set(STUDY_ROWS)) == len(STUDY_ROWS)
    assert not set(STUDY_ROWS) & set(MAIN_ROWS)


def test_what_two_tables_print_is_the_same_in_both() -> None:
    """Tables 5 and 6 and the first word of appendix 5 repeat figures of Table 2."""
    main = [r for r in MAIN_ROWS if r.table == "2"]
    repeated = {
        ("5", "majority", 15): ("pope", "majority"),
        ("6", "either", 14): ("pope", "mean"),
        ("6", "either", 15): ("pope", "majority"),
    }
    for (table, method, layer), (task, as_method) in repeated.items():
        row = next(r for r in of(table) if (r.method, r.last_layer) == (method, layer))
        same = next(r for r in main if (r.task, r.model, r.method) == (task, row.model, as_method))
        assert (row.accuracy, row.f1) == (same.accuracy, same.f1)
    base, ours = (
        next(
            r
            for r in of("App. 5")
            if (r.method, r.scored_on) == (method, "validation") and "obstructing" in r.detail
        )
        for method in ("base", "either")
    )
    for row, method in ((base, "base"), (ours, "majority")):
        same = next(
            r
            for r in main
            if (r.task, r.model, r.method) == ("instaorder-occlusion", "llava-7b", method)
        )
        assert (row.accuracy, row.precision, row.recall, row.f1) == (
            same.accuracy, same.precision, same.recall, same.f1,
        )  # fmt: skip


def test_probing_figures_of_the_first_word_are_those_of_table_1() -> None:
    rows = [r for r in of("App. 5") if r.scored_on == "probing" and "obstructing" in r.detail]
    for row in rows:
        known = [
            r
            for r in MAIN_ROWS
            if (r.table, r.task, r.model, r.method)
            == ("1", "instaorder-occlusion", "llava-7b", row.method)
        ]
        assert {r.accuracy for r in known} - {None} == {row.accuracy}
        assert {r.f1 for r in known} - {None} == {row.f1}


def test_the_parts_of_the_neurons_time_are_all_of_it() -> None:
    """And only of theirs: what generation spends beside its parts is the library's."""
    for row in TIMES:
        rest = row.wall - row.embedding - row.prefill - row.decoding
        assert (abs(rest) < 1e-9) == (row.method == "either")
        assert rest > -1e-9
