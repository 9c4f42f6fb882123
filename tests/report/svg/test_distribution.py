from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from report.drawn import drawn, number
from report.runs import selection
from superneurons.evaluate.null import chance_maximum
from superneurons.report.run import Chosen, Selection
from superneurons.report.svg.distribution import chance_of, distribution_alt, draw_distribution
from superneurons.report.svg.labels import width_of

_KNOWN = Selection(
    "residual", "last_prompt", np.array([[0.5, 0.55, 0.61], [0.58, 0.7, 0.9]], dtype=np.float32),
    (Chosen(2, 2, 0.9, 1.0),), tuple(np.linspace(0.5, 0.6, 101)), 200,
)  # fmt: skip


def test_the_chance_maximum_is_what_95_of_100_shuffles_stay_below() -> None:
    chance = chance_of(_KNOWN)
    assert chance.maximum == pytest.approx(0.595)
    assert chance.above == 3
    assert chance.coins == chance_maximum(200, 6)


def test_it_says_how_many_are_above_chance() -> None:
    told = drawn(draw_distribution(_KNOWN, 448, "chance")).finding
    assert "3 of 6 neurons score above 59.5 %" in told
    assert "101 shuffles" in told
    assert "the best has 90.0 %" in told


def test_without_shuffles_it_says_that_chance_is_not_known() -> None:
    known = replace(_KNOWN, null_maxima=())
    found = drawn(draw_distribution(known, 448, "chance"))
    assert "weren't shuffled" in found.finding
    assert not found.of_class("chance")
    assert chance_of(known).maximum is None


@pytest.mark.parametrize("width", [350.0, 448.0])
def test_all_neurons_all_chosen_ones_and_all_shuffles_are_counted(width: float) -> None:
    known = selection()
    found = drawn(draw_distribution(known, width, "chance"))
    all_of = found.of_class("bar", "rest")
    hints = ["".join(e.itertext()) for e in all_of]
    total = sum(int(h.split(": ")[1].split()[0].replace(",", "")) for h in hints)
    assert total == known.scores.size
    assert sum(int(h.split(", ")[-1].split()[0]) for h in hints) == len(known.chosen)
    shuffled = ["".join(e.itertext()) for e in found.of_class("bar", "chance")]
    assert sum(int(h.split(": ")[1].split()[0]) for h in shuffled) == len(known.null_maxima)


def test_more_neurons_make_a_higher_bar() -> None:
    found = drawn(draw_distribution(selection(), 448, "chance"))
    bars = found.of_class("bar", "rest")
    counts = [int("".join(e.itertext()).split(": ")[1].split()[0].replace(",", "")) for e in bars]
    heights = [number(e, "height") for e in bars]
    order = np.argsort(counts, kind="stable")
    assert (np.diff(np.array(heights)[order]) >= -1e-9).all()
    assert min(heights) > 0


def test_chance_alone_can_be_better_than_all_neurons() -> None:
    known = replace(_KNOWN, null_maxima=(0.95, 0.97))
    assert chance_of(known).above == 0
    assert "0 of 6 neurons" in distribution_alt(known).finding
    drawn(draw_distribution(known, 448, "chance"))


def test_scores_that_are_all_the_same_are_drawn() -> None:
    known = replace(_KNOWN, scores=np.full((2, 3), 0.5, dtype=np.float32), null_maxima=())
    drawn(draw_distribution(replace(known, chosen=()), 448, "chance"))


@pytest.mark.parametrize("n", [20, 160, 500, 5000])
def test_scores_that_can_occur_are_spread_evenly_over_the_bars(n: int) -> None:
    values = (np.arange(n // 2, n + 1) / n).astype(np.float32)
    known = replace(_KNOWN, scores=values[None], chosen=(), null_maxima=(), n=n)
    found = drawn(draw_distribution(known, 448, "chance"))
    bars = ["".join(e.itertext()).split(": ")[1] for e in found.of_class("bar", "rest")]
    counts = [int(told.split()[0].replace(",", "")) for told in bars]
    assert sum(counts) == len(values)
    assert max(counts[:-1], default=1) - min(counts[:-1], default=1) <= 1
    assert len(counts) <= 62


@pytest.mark.parametrize("best", [0.52, 0.6, 0.99])
def test_names_stay_within_wherever_the_best_and_chance_are(best: float) -> None:
    scores = np.array([[0.5, best]], dtype=np.float32)
    known = replace(_KNOWN, scores=scores, chosen=(), null_maxima=(0.55, 0.56))
    found = drawn(draw_distribution(known, 350, "chance"))
    for element in found.of_class("strong"):
        wide, look = width_of(element.text or ""), element.get("class", "").split()
        share = 1 if "end" in look else 0.5 if "mid" in look else 0
        left = number(element, "x") - share * wide
        assert left >= 0
        assert left + wide <= 350


def test_the_line_of_the_best_does_not_cross_the_name_of_chance() -> None:
    scores = np.array([[0.5, 0.75]], dtype=np.float32)
    known = replace(_KNOWN, scores=scores, chosen=(), null_maxima=(0.72, 0.73))
    found = drawn(draw_distribution(known, 448, "chance"))
    (chance,) = found.of_class("note", "chance", "strong")
    (leader,) = found.of_class("leader")
    assert "end" in chance.get("class", "").split()
    assert number(chance, "x") < number(leader, "x1")


@pytest.mark.parametrize(("maxima", "left"), [((0.55, 0.56), False), ((0.93, 0.95), True)])
def test_shuffles_are_named_where_there_is_room(maxima: tuple[float, ...], left: bool) -> None:
    known = replace(_KNOWN, null_maxima=maxima)
    found = drawn(draw_distribution(known, 350, "chance"))
    (name,) = (e for e in found.root.iter("text") if e.text == "best with shuffled labels")
    assert ("end" in name.get("class", "").split()) == left
