from __future__ import annotations

import json
from dataclasses import replace

from reproductions import figures, made_up, measured
from superneurons.evaluate.reproduction.agreement import agreement


def test_the_same_agrees_in_every_value() -> None:
    found = agreement(made_up(), made_up())
    assert found.equal
    assert found.differing == found.changed == ()
    # Two nulls of six values; of each way seven things, of figures 17, of whole ones 7.
    assert found.figures > 2 * 6 + 4 * 17


def test_a_figure_that_differs_is_named_with_both_values() -> None:
    before = made_up()
    ways = list(before.ways)
    ways[0] = replace(ways[0], figures=replace(figures(0.5), n=9))
    found = agreement(before, replace(before, ways=tuple(ways)))
    assert not found.equal
    (one,) = found.differing
    assert (one.where, one.before, one.now) == ("text-only (validation): figures.n", 8, 9)


def test_one_figure_in_its_last_digit_is_seen() -> None:
    before = made_up()
    null = replace(before.nulls[1], shuffled=0.5375000000000001)
    found = agreement(before, replace(before, nulls=(before.nulls[0], null)))
    assert [one.where for one in found.differing] == ["null at first_generated: shuffled"]


def test_a_way_that_only_one_has_differs() -> None:
    before = made_up()
    after = replace(before, ways=before.ways[1:])
    there = {one.where.split(" ")[0] for one in agreement(before, after).differing}
    assert there == {"text-only"}
    assert not agreement(after, before).equal


def test_what_the_paper_prints_does_not_count() -> None:
    before = made_up()
    bare = tuple(replace(way, printed=None) for way in before.ways)
    assert agreement(before, replace(before, ways=bare, paper="")).equal


def test_what_may_be_why_is_told_apart_from_figures() -> None:
    other = measured(versions={"torch": "2.12", "numpy": "2.3"}, device="cuda:0", threads=8)
    found = agreement(made_up(), replace(made_up(), measured=other))
    assert found.equal
    changed = {one.where: (one.before, one.now) for one in found.changed}
    assert changed == {
        "torch": ("2.11", "2.12"), "device": ("cpu", "cuda:0"), "threads": (1, 8),
    }  # fmt: skip


def test_it_is_made_of_json_values() -> None:
    values = json.loads(json.dumps(agreement(made_up(), made_up()).as_dict()))
    assert values["equal"] is True
    assert values["differing"] == []


def test_every_single_figure_counts() -> None:
    """Whatever figure of a way is another one, it is the one that is named."""
    before = made_up()
    way = before.way("paper-accuracy-majority")
    changes = {
        "last_layer": 16, "exit_layer": 16, "neurons": 1235, "threshold": 0.93, "margin": 0.02,
        "note": "so",
    }  # fmt: skip
    for name, value in changes.items():
        now = replace(way, **{name: value})
        after = replace(before, ways=tuple(now if w is way else w for w in before.ways))
        (one,) = agreement(before, after).differing
        assert one.where == f"paper-accuracy-majority (validation): {name}"
        assert (one.before, one.now) == (getattr(way, name), value)


def test_both_ends_of_an_interval_count() -> None:
    before = made_up()
    way = before.way("text-only")
    assert way.figures is not None
    wide = replace(way.figures.recall, interval=(0.375, 0.75))
    now = replace(way, figures=replace(way.figures, recall=wide))
    found = agreement(before, replace(before, ways=(now, *before.ways[1:])))
    assert [one.where for one in found.differing] == [
        "text-only (validation): figures.recall.interval[1]"
    ]


def test_the_same_ways_in_another_order_agree() -> None:
    before = made_up()
    assert agreement(before, replace(before, ways=before.ways[::-1])).equal


def test_a_figure_that_became_none_differs_even_from_one_that_is_not_there() -> None:
    before = made_up()
    mute = replace(before.way("text-only"), figures=None)
    found = agreement(before, replace(before, ways=(mute, *before.ways[1:])))
    places = {one.where for one in found.differing}
    assert "text-only (validation): figures" in places
    assert "text-only (validation): figures.accuracy.value" in places
    assert found.figures == agreement(before, before).figures


def test_turned_round_before_and_now_change_places() -> None:
    one, other = made_up(), replace(made_up(), measured=measured(threads=4))
    (there,), (back,) = agreement(one, other).changed, agreement(other, one).changed
    assert (there.before, there.now) == (back.now, back.before) == (1, 4)


def test_a_package_that_only_one_run_had_is_told() -> None:
    more = measured(versions={"torch": "2.11", "numpy": "2.3", "peft": "0.17"})
    (one,) = agreement(made_up(), replace(made_up(), measured=more)).changed
    assert (one.where, one.before, one.now) == ("peft", None, "0.17")
