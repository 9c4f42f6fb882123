from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.drawn import Page, plain
from report.runs import (
    BASE,
    OURS,
    comparison,
    curves,
    fitted_run,
    full_run,
    interval,
    searched_run,
    selection,
    sparse_run,
    tradeoffs,
)  # fmt: skip
from superneurons.report.page.opening import Tile, opening, tiles_of
from superneurons.report.run import Chosen, Run


def _tiles(run: Run) -> dict[str, Tile]:
    return {tile.name: tile for tile in tiles_of(run)}


def test_four_figures_of_what_is_recommended() -> None:
    tiles = tiles_of(full_run())
    assert [(t.value, t.unit) for t in tiles] == [
        ("94.3", "%"), ("6.6", "×"), ("4", "of 30"), ("64", ""),
    ]  # fmt: skip
    told = [plain(tile.told) for tile in tiles]
    assert told == [
        "95 %: 91.8 to 96.8; base model, first token: 51.0 %",
        "41.0 ms instead of 272 ms a record",
        "later layers don't run",
        "of 17,280 neurons",
    ]


def test_without_generation_the_speed_is_beside_the_first_token() -> None:
    tiles = _tiles(searched_run())
    assert tiles["as fast as base model, first token"].told.endswith("instead of 208 ms a record")


def test_without_times_there_is_no_speed() -> None:
    told = comparison()
    told["rows"] = [
        row | {"ms": None, "speed_up_over_generate": None, "speed_up_over_prefill": None}
        for row in told["rows"]
    ]
    names = list(_tiles(full_run(comparison=told)))
    assert names == ["balanced accuracy", "exit layer", "neurons are read"]


def test_what_was_fitted_alone_shows_its_cross_validated_curve() -> None:
    tiles = _tiles(fitted_run())
    assert tiles["balanced accuracy"] == Tile(
        "93.4", "%", "balanced accuracy", "cross-validated on the probing set"
    )
    assert tiles["exit layer"].value == "4"
    assert tiles["neurons are read"] == Tile("64", "", "neurons are read", "of 17,280 neurons")


def test_a_curve_with_intervals_shows_them() -> None:
    run = sparse_run(selection=selection(), curves=curves(1), setting={"layers": 30})
    low, high = interval(0.943)
    told = _tiles(run)["balanced accuracy"].told
    assert told == f"95 %: {100 * low:.1f} to {100 * high:.1f}"


@pytest.mark.parametrize(
    ("layer", "told"),
    [(0, "no decoder layer runs"), (30, "all layers run"), (7, "later layers don't run")],
)
def test_what_an_exit_layer_means(layer: int, told: str) -> None:
    rows = [row | {"exit_layer": layer} for row in comparison()["rows"]]
    tiles = _tiles(full_run(comparison=comparison() | {"rows": rows}))
    assert tiles["exit layer"].told == told


@pytest.mark.parametrize(("kind", "known"), [("mlp", True), ("vision", False)])
def test_neurons_of_the_tower_have_no_exit_layer_of_their_own(kind: str, known: bool) -> None:
    run = replace(fitted_run(), selection=replace(selection(), kind=kind))
    assert ("exit layer" in _tiles(run)) == known


def test_neurons_are_not_counted_out_of_those_of_another_site() -> None:
    other = replace(selection(), read_out="Super Neurons of the MLPs")
    assert _tiles(full_run(selection=other))["neurons are read"].told == ""


def test_one_neuron() -> None:
    one = replace(selection(), chosen=(Chosen(1, 0, 0.8, 1.0),))
    assert "neuron is read" in _tiles(sparse_run(selection=one))


def test_nothing_known_gives_no_figures() -> None:
    assert tiles_of(sparse_run()) == ()
    assert not Page(opening(sparse_run())).of("ul", class_="tiles")


def _page(**changes: Any) -> Page:
    return Page(opening(full_run(**changes)))


def test_the_advice_is_the_comparisons() -> None:
    page = _page(comparison=comparison("Keep the base model: 94.3 % is enough.", BASE))
    assert page.text("p", class_="advice") == "Keep the base model: 94.3 % is enough."


def test_no_percent_sign_of_the_advice_begins_a_line() -> None:
    html = opening(full_run())
    assert "94.3\N{NO-BREAK SPACE}% (95\N{NO-BREAK SPACE}%: 91.8 to 96.8) nothing" in html


def test_without_advice_it_says_what_was_chosen() -> None:
    advice = Page(opening(searched_run())).text("p", class_="advice")
    chosen = next(point for point in searched_run().tradeoffs if point.chosen)
    assert advice.startswith(f"Chosen: {chosen.name}, with a balanced accuracy of")
    assert "cross-validated" in advice
    told = comparison() | {"recommendation": None}
    assert "cross-validated" not in _page(comparison=told).text("p", class_="advice")


def test_without_either_it_says_that_nothing_was_compared() -> None:
    points = tuple(replace(point, chosen=False) for point in tradeoffs())
    page = _page(comparison=None, tradeoffs=points)
    assert "Nothing is recommended" in page.text("p", class_="advice")
    assert not page.of("figure")


def test_questions_labels_and_notes() -> None:
    page = _page(questions=("One?", "Two?", "Three?", "Four?"), notes=("Mind this.",))
    assert page.text("blockquote") == "One?"
    assert page.text("p", class_="also") == "also: Two?also: Three?"
    assert "Mind this." in page.text("ul", class_="notes")
    assert not _page(labels=(), notes=()).of("ul", class_="labels")


def test_the_origin_has_model_and_numbers_of_records() -> None:
    origin = _page().text("p", class_="origin")
    assert origin == "superneurons compare · demo · 500 labelled records · 300 test records"
    assert Page(opening(sparse_run())).text("p", class_="origin") == "superneurons fit"


def test_what_it_has_to_beat_is_drawn_beside() -> None:
    page = _page()
    assert [a["id"] for a in page.of("figure")] == ["figure-beside"]
    assert f"{OURS} 94.3 %" in page.text("desc", id="beside-desc")
