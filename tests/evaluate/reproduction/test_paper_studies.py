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


def test_training_sets_grow_threefold_and_tenfold() -> None:
    rows = of("App. 3")
    for task in ("instaorder-occlusion", "instaorder-depth"):
        for method in ("sft", "lora"):
            own = [r.n_probe for r in rows if (r.task, r.method) == (task, method)]
            assert own == [3_000, 10_000, 100_000]
    assert {r.n_probe for r in of("3")} == {40}
    named = {r.table for r in STUDY_ROWS if r.n_probe is not None}
    assert named == {"3", "App. 3"}


def test_neurons_are_chosen_by_a_metric_where_they_are_chosen_by_the_rule() -> None:
    for table in ("4", "5", "9"):
        for row in of(table):
            assert (row.metric is None) == (row.method == "base"), row
    assert len({(r.model, r.method, r.metric) for r in of("4") if r.method != "base"}) == 8
    assert {r.metric for r in of("9")} == {"f1"}
    assert {r.metric for r in of("8")} == {None}


def test_a_lower_threshold_lets_in_shallower_neurons_and_never_costs_time() -> None:
    rows = [r for r in of("5") if r.threshold is not None]
    assert [r.threshold for r in rows] == [92.0, 91.0, 90.0]
    layers = [r.last_layer for r in rows]
    assert layers == sorted(layers, key=lambda k: -(k or 0))
    times = [r.seconds for r in rows]
    assert times == sorted(times, key=lambda s: -(s or 0))
    (base,) = (r for r in of("5") if r.method == "base")
    assert base.seconds is not None
    assert base.last_layer == 32
    assert all(r.seconds and 4.5 < base.seconds / r.seconds < 5.5 for r in rows)
    assert {r.detail.split(";")[0] for r in of("5")} == {"timed"}


def test_the_last_token_costs_what_the_base_model_does() -> None:
    last, first = of("6")
    (base,) = (r for r in of("5") if r.method == "base")
    assert last.seconds is not None
    assert base.seconds is not None
    assert first.seconds is not None
    assert abs(last.seconds - base.seconds) < 0.05 < last.seconds - first.seconds
    assert "last token" in last.detail
    assert "first token" in first.detail


def test_what_was_shuffled_or_probed_elsewhere_is_said() -> None:
    assert [r.detail.split()[0] for r in of("App. 6")] == ["images"] * 2 + ["prompts"] * 2
    assert [r.method for r in of("App. 6")] == ["mean", "majority"] * 2
    assert [r.detail for r in of("7")] == ["", "probed on VOC", "probed on COCO"]
    words = [r.detail.removeprefix("asked with the word: ") for r in of("App. 5")]
    assert list(dict.fromkeys(words)) == ["obstructing", "hiding", "occluding", "random letters"]


def test_more_tokens_cost_decoding_only() -> None:
    long, short, ours = TIMES
    assert (long.max_new_tokens, short.max_new_tokens, ours.max_new_tokens) == (128, 1, 1)
    assert long.embedding == short.embedding == ours.embedding
    assert max(abs(r.prefill - 0.0855) for r in TIMES) < 0.001
    assert ours.decoding < short.decoding
    assert ours.wall < short.wall < long.wall
    assert long.wall / ours.wall > 8
