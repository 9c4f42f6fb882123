from __future__ import annotations

from dataclasses import replace

import pytest

from report.drawn import Page
from report.runs import fitted_run, selection, sparse_run
from superneurons.report.page.neurons import MOST_LISTED, chance_figure, neuron_sections
from superneurons.report.page.section import placed_section
from superneurons.report.run import Chosen, Selection


def _page(known: Selection) -> Page:
    (section,) = neuron_sections(sparse_run(selection=known))
    return Page(placed_section(section))


def test_without_scores_there_is_nothing() -> None:
    assert list(neuron_sections(sparse_run())) == []
    assert chance_figure(sparse_run()) is None


def test_the_strongest_neurons_are_listed() -> None:
    known = selection(chosen=64)
    page = _page(known)
    rows = len([a for a in page.of("th") if a.get("scope") == "row"])
    assert rows == MOST_LISTED < 64
    first = known.chosen[0]
    assert f"1{first.layer}{first.column}{100 * first.score:.1f} %−2" in page.text("tbody")
    assert f"The {MOST_LISTED} strongest of 64 chosen neurons." in page.text("p")


def test_few_are_listed_all() -> None:
    page = _page(selection(chosen=5))
    assert "All chosen neurons." in page.text("p")
    assert "rings mark all of the 5 chosen neurons" in page.text("figcaption")


def test_none_chosen_need_no_table() -> None:
    assert not _page(replace(selection(), chosen=())).of("table")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("residual", "after each decoder layer"), ("vision", "vision tower"), ("new", "new")],
)
def test_a_caption_says_where_and_on_what(kind: str, told: str) -> None:
    caption = _page(replace(selection(), kind=kind, position="image_mean")).text("figcaption")
    assert told in caption
    assert "position image mean" in caption
    assert "500 questions of the probing set that chose it" in caption


@pytest.mark.parametrize(("width", "told"), [(576, "A cell is a neuron (3"), (4096, "best of 7")])
def test_it_says_of_how_many_neurons_a_cell_is_the_best(width: int, told: str) -> None:
    assert told in _page(selection(8, width)).text("figcaption")


def test_chance_is_explained_beside_its_figure() -> None:
    figure = chance_figure(fitted_run())
    assert figure is not None
    caption = Page(figure).text("figcaption")
    assert "in each of 100 shuffles of the labels" in caption
    assert "As many fair coins would reach 58.8 % at best" in caption
    unknown = chance_figure(sparse_run(selection=replace(selection(), null_maxima=())))
    assert unknown is not None
    assert "what chance gives wasn't measured" in Page(unknown).text("figcaption")


@pytest.mark.parametrize(
    ("kind", "position", "said"),
    [("vision", "last_prompt", False), ("vision", "image_max", True), ("mlp", "last_prompt", True)],
)
def test_what_sees_no_prompt_has_no_position_in_it(kind: str, position: str, said: bool) -> None:
    known = replace(selection(), kind=kind, position=position)
    assert ("position" in _page(known).text("figcaption")) == said


def test_each_listed_neuron_has_its_rank_place_score_and_weight() -> None:
    chosen = (Chosen(2, 0, 0.875, -0.25), Chosen(1, 7, 0.75, 3.0))
    page = _page(replace(selection(4, 16), chosen=chosen))
    assert page.text("tbody") == "12087.5 %−0.2521775.0 %+3"
    cells = [a for name, a in page.elements if name in ("td", "th") and a.get("scope") != "col"]
    assert [cell.get("data-value") for cell in cells] == [
        "1", "2", "0", "0.875", "-0.25", "2", "1", "7", "0.75", "3",
    ]  # fmt: skip


@pytest.mark.parametrize(("chosen", "told"), [(60, "all of the 60"), (61, "the 60 strongest of")])
def test_it_says_which_of_the_chosen_have_rings(chosen: int, told: str) -> None:
    assert told in _page(selection(chosen=chosen)).text("figcaption")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [(MOST_LISTED, "All chosen neurons."), (MOST_LISTED + 1, "The 40 strongest of 41 chosen")],
)
def test_the_last_that_is_listed_is_no_rest(chosen: int, told: str) -> None:
    page = _page(selection(chosen=chosen))
    assert told in page.text("p")
    assert len([a for a in page.of("th") if a.get("scope") == "row"]) == MOST_LISTED
