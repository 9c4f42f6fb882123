from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from superneurons.amplify.gate import Gate
from superneurons.amplify.outcome import best_of_reported, choose, gains, gated, held_out
from superneurons.amplify.readings import Readings
from superneurons.errors import DataError
from tiny_sweeps import made_up


def test_gains_are_means_over_the_prompts_asked_for() -> None:
    swept = made_up()
    found = gains(swept, "loud", swept.choosing)
    assert found.shape == (3, 2, 2)
    by_hand = [
        swept.found.log_odds[2, 2, 1, 0, row] - swept.base.log_odds[row] for row in swept.choosing
    ]
    assert found[2, 1, 0] == pytest.approx(np.mean(by_hand), abs=1e-5)


def test_the_best_setting_of_the_choosing_half_is_chosen() -> None:
    choice = choose(made_up())
    assert (choice.layer, choice.count, choice.multiplier) == (5, 9, 3.0)
    assert choice.index == (1, 1, 1)


def test_the_reporting_half_has_no_say_in_the_choice() -> None:
    swept = made_up()
    odds = swept.found.log_odds.copy()
    odds[0, 0, 0, 0, swept.reporting] += 50
    spoilt = replace(swept, found=replace(swept.found, log_odds=odds))
    assert choose(spoilt) == choose(swept)
    assert best_of_reported(spoilt).choice.index == (0, 0, 0)


def test_the_choosing_half_has_no_say_in_what_is_reported() -> None:
    swept = made_up()
    odds = swept.found.log_odds.copy()
    odds[1, 0, 1, 1, swept.choosing] += 50
    one, other = held_out(swept), held_out(
        replace(swept, found=replace(swept.found, log_odds=odds))
    )  # fmt: skip
    np.testing.assert_array_equal(one.amplified.log_odds, other.amplified.log_odds)
    assert one.log_odds_gain[0] == pytest.approx(1.0, abs=0.1)


def test_what_is_reported_of_a_setting() -> None:
    swept = made_up()
    found = held_out(swept)
    rows = swept.reporting
    before, after = found.base.probability, found.amplified.probability
    assert found.relative_gain == pytest.approx(100 * (after.mean() / before.mean() - 1))
    assert found.accuracies == (
        np.mean(swept.base.rank[rows] == 1),
        np.mean(swept.found.rank[1, 0, 1, 1, rows] == 1),
    )
    assert found.ranks[0] == np.median(swept.base.rank[rows])
    mean, (low, high) = found.log_odds_gain
    assert low < mean < high
    assert found.opened.all()
    assert found.threshold == 1


def test_controls_choose_for_themselves_or_take_the_setting_given() -> None:
    swept = made_up()
    own = held_out(swept, "random 2")
    assert own.choice == choose(swept, "random 2")
    given = held_out(swept, "random 2", choose(swept))
    assert given.choice == choose(swept)
    assert own.log_odds_gain[0] < 0.2
    with pytest.raises(DataError, match="random 2"):
        held_out(swept, "random 3")


def test_choosing_on_what_is_reported_is_never_worse_there() -> None:
    for seed in range(5):
        swept = made_up(seed=seed)
        for kind in swept.grid.kinds:
            best = best_of_reported(swept, kind).relative_gain
            assert best >= held_out(swept, kind).relative_gain - 1e-9


def test_a_gate_leaves_the_prompts_above_its_threshold_as_they_are() -> None:
    swept = made_up(base=0.0, n=40, spread=2.0)
    odds = swept.found.log_odds.copy()
    odds[:, :, :, :, swept.base.confidence > 0.6] -= 3  # amplification hurts where it is sure
    found = gated(replace(swept, found=replace(swept.found, log_odds=odds)))
    assert isinstance(found.gate, Gate)
    closed = ~found.opened
    assert 0 < closed.sum() < len(closed)
    np.testing.assert_array_equal(closed, found.base.confidence >= found.gate.threshold)
    for name in ("log_odds", "rank", "confidence"):
        got, plain = getattr(found.amplified, name), getattr(found.base, name)
        np.testing.assert_array_equal(got[closed], plain[closed])
    assert (found.amplified.log_odds[found.opened] != found.base.log_odds[found.opened]).all()


def test_where_amplification_only_hurts_the_gate_stays_shut() -> None:
    swept = made_up()
    lower = Readings(swept.found.log_odds - 9, swept.found.rank, swept.found.confidence)
    found = gated(replace(swept, found=lower))
    assert found.threshold == 0
    assert found.log_odds_gain == (0.0, (0.0, 0.0))


def test_a_threshold_above_one_is_told_as_one() -> None:
    found = held_out(made_up())
    assert replace(found, gate=Gate(0.4)).threshold == 0.4
    always = replace(found, gate=Gate(1.5))
    assert (always.threshold, always.opened.all()) == (1.0, True)
    assert replace(found, gate=Gate(0.0)).opened.sum() == 0
    assert found.opened.dtype == bool
    assert found.opened.shape == found.base.log_odds.shape


def test_ranks_and_accuracies_are_told_before_and_after() -> None:
    found = held_out(made_up())
    ranks = np.array([3, 1, 1, 7, 9, 1], dtype=np.int32)
    one = replace(found.base, rank=ranks)
    told = replace(found, base=one, amplified=replace(one, rank=np.ones(6, np.int32)))
    assert told.accuracies == (0.5, 1.0)
    assert told.ranks == (2.0, 1.0)
    assert replace(told, base=told.amplified, amplified=told.base).accuracies == (1.0, 0.5)


def test_an_outcome_says_whose_it_is() -> None:
    swept = made_up("sums")
    for found in (held_out(swept, "loud"), best_of_reported(swept, "loud"), gated(swept, "loud")):
        assert (found.task, found.kind) == ("sums", "loud")
        assert len(found.base.log_odds) == len(swept.reporting)
    assert held_out(swept).gate is None
    assert best_of_reported(swept).gate is None
    assert gated(swept).choice == choose(swept)


def test_a_choice_names_the_grid_at_its_place() -> None:
    """Whatever setting is best is the one that is found."""
    swept = made_up()
    for place in np.ndindex(3, 2, 2):
        odds = swept.found.log_odds.copy()
        odds[place[0], 2, place[1], place[2]] += 9
        choice = choose(replace(swept, found=replace(swept.found, log_odds=odds)), "loud")
        assert choice.index == place
        assert choice.layer == swept.grid.layers[place[0]]
        assert choice.count == swept.grid.counts[place[1]]
        assert choice.multiplier == swept.grid.multipliers[place[2]]


def test_the_publications_choice_is_by_mean_probability_not_log_odds() -> None:
    """One prompt that wins much probability outweighs many that win log-odds near nought."""
    swept = made_up(base=-9.0, spread=0.1)
    odds = np.repeat(swept.base.log_odds[None], 12, axis=0).reshape(3, 2, 2, -1).copy()
    odds[0, 0, 0] += 2
    odds[2, 1, 0, swept.reporting[0]] += 12
    whole = swept.found.log_odds.copy()
    whole[:, 0] = odds
    changed = replace(swept, found=replace(swept.found, log_odds=whole))
    assert best_of_reported(changed).choice.index == (2, 1, 0)
    assert choose(changed).index == (0, 0, 0)


def test_the_order_of_prompts_within_a_half_changes_nothing() -> None:
    swept = made_up()
    order = np.random.default_rng(3).permutation(len(swept.choosing))
    mixed = replace(swept, choosing=swept.choosing[order])
    np.testing.assert_allclose(
        gains(mixed, "found", mixed.choosing), gains(swept, "found", swept.choosing)
    )
    assert choose(mixed) == choose(swept)
    assert gated(mixed).gate == gated(swept).gate


@pytest.mark.parametrize("ask", [choose, held_out, best_of_reported, gated])
def test_unknown_neurons_are_refused_with_those_there_are(ask: Any) -> None:
    with pytest.raises(DataError, match="found, shuffled, loud, random 1, random 2") as caught:
        ask(made_up("sums"), "quiet")
    assert caught.value.where == "task 'sums'"
