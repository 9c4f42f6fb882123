from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.drawn import Page
from report.runs import (
    OURS,
    bins,
    comparison,
    curves,
    fitted_run,
    full_run,
    searched_run,
    sparse_run,
    tradeoffs,
)  # fmt: skip
from superneurons.report.page.accuracy import accuracy_sections, levels_of, ordered_curves
from superneurons.report.page.section import placed_section
from superneurons.report.run import Run


def _page(run: Run) -> Page:
    return Page("".join(map(placed_section, accuracy_sections(run))))


def test_headings_name_only_what_is_there() -> None:
    def titles(**changes: Any) -> list[str]:
        return [section.title for section in accuracy_sections(sparse_run(**changes))]

    assert titles() == []
    assert titles(curves=curves(1)) == ["Exit layers"]
    assert titles(tradeoffs=tradeoffs(), bins=bins()) == ["Time and confidence"]
    assert [s.title for s in accuracy_sections(full_run())] == [
        "Chance and exit layers", "Time and confidence",
    ]  # fmt: skip


def test_the_curve_that_the_report_is_about_comes_first() -> None:
    run = full_run(curves=curves(4)[::-1])
    assert run.curves[0].read_out != OURS
    assert ordered_curves(run)[0].read_out == OURS


def test_curves_stand_beside_the_base_model_only_on_the_same_records() -> None:
    assert levels_of(full_run()).base == 0.51
    assert levels_of(full_run(curves=curves(2, held_out=False))).base is None
    other = tuple(replace(curve, n=77) for curve in curves(2))
    assert levels_of(full_run(curves=other)).base is None
    assert levels_of(fitted_run()).base is None


@pytest.mark.parametrize(
    ("labels", "chance"), [(("no", "yes"), 0.5), ((), None), (tuple("abcdefghijk"), None)]
)
def test_guessing_is_drawn_where_it_is_known_and_near(
    labels: tuple[str, ...], chance: float | None
) -> None:
    assert levels_of(full_run(labels=labels)).chance == chance


def test_captions_say_on_which_records() -> None:
    held_out = _page(full_run()).text("figcaption")
    assert "On 300 records that nothing was fitted on; 95 % intervals." in held_out
    assert "Dashed: the base model 51.0 %, guessing 50.0 %." in held_out
    assert "Of 12 ways to answer, 2 are beaten by no other" in held_out
    assert "intervals on records that nothing was fitted on" in held_out
    assert f"Answers of {OURS}. 300 answers are" in held_out
    crossed = _page(fitted_run()).text("figcaption")
    assert "On 500 records of the probing set, cross-validated; no intervals estimated." in crossed


def test_points_that_were_cross_validated_are_said_to_be() -> None:
    assert "intervals, cross-validated;" in _page(searched_run()).text("figcaption")
    mixed = (replace(tradeoffs()[0], held_out=False), *tradeoffs()[1:])
    assert "of the others cross-validated" in _page(sparse_run(tradeoffs=mixed)).text("figcaption")


def test_points_are_in_a_table_where_the_read_outs_are_not() -> None:
    assert not _page(full_run()).of("table")
    page = _page(searched_run())
    points = searched_run().tradeoffs
    assert len([a for a in page.of("th") if a.get("scope") == "row"]) == len(points) == 90
    assert "All 90 points as a table" in page.text("summary")
    assert page.text("tbody").count("(chosen)") == 1
    assert "open" not in page.of("details")[0]


def test_a_short_table_of_points_is_open() -> None:
    run = full_run(comparison=comparison() | {"rows": []})
    assert "open" in _page(run).of("details")[0]


def test_bins_without_answers_are_no_figure() -> None:
    empty = tuple(replace(part, n=0) for part in bins())
    assert list(accuracy_sections(sparse_run(bins=empty))) == []


def test_a_single_point_is_no_figure_and_no_table() -> None:
    assert list(accuracy_sections(sparse_run(tradeoffs=tradeoffs()[:1]))) == []
