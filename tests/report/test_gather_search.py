from __future__ import annotations

from dataclasses import replace

import pytest

from pictures import murky
from superneurons.report.gather_search import front_points, searched_curves
from superneurons.shortcut.search import search_shortcuts
from superneurons.shortcut.search_points import ShortcutSearch
from superneurons.shortcut.search_space import SearchSpace
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def search(llava: VLM) -> ShortcutSearch:
    space = SearchSpace(resolutions=(8,), positions=("last_prompt", "image_mean"))
    return search_shortcuts(llava, murky(32), space, repeats=1)


def test_the_front_stands_beside_what_was_chosen(search: ShortcutSearch) -> None:
    chosen = search.choose()
    found = front_points(search, chosen)
    assert len(found) == len({*search.front(), chosen})
    assert [point.ms for point in found] == sorted(point.ms for point in found)
    (taken,) = (point for point in found if point.chosen)
    assert (taken.ms, taken.balanced_accuracy) == (chosen.cost_ms, chosen.accuracy)
    assert (taken.interval, taken.exit_layer) == (chosen.interval, chosen.exit_layer)
    assert str(chosen.site) in taken.name
    assert f"layer {chosen.depth}" in taken.name
    assert not any(point.held_out for point in found)
    assert len({point.name for point in found}) == len(found)


def test_what_was_chosen_may_be_off_the_front(search: ShortcutSearch) -> None:
    aside = next(point for point in search.points if point not in search.front())
    found = front_points(search, aside)
    assert len(found) == len(search.front()) + 1
    assert sum(point.chosen for point in found) == 1


def test_each_way_through_the_decoder_has_a_curve_the_chosen_one_first(
    search: ShortcutSearch,
) -> None:
    chosen = next(p for p in search.points if p.kind == "residual" and p.resolution == 8)
    curves = searched_curves(search, chosen)
    order = chosen.order
    assert curves[0].read_out == f"{chosen.site}, {order}, 8 pixels"
    assert 1 <= len(curves) <= 5
    assert len({curve.read_out for curve in curves}) == len(curves)
    for curve in curves:
        assert "vision" not in curve.read_out
        assert "projector" not in curve.read_out
        assert curve.layers == (1, 2, 3, 4)
        assert (curve.n, curve.held_out) == (search.settings["records_answered"], False)
    own = [p for p in search.points if (p.site, p.order, p.resolution) == (chosen.site, order, 8)]
    assert curves[0].balanced_accuracy == tuple(point.accuracy for point in own)
    assert curves[0].intervals == tuple(point.interval for point in own)


def test_where_pictures_suffice_there_are_no_exit_layers(search: ShortcutSearch) -> None:
    seen = tuple(point for point in search.points if point.site.sees_only_pictures)
    alone = replace(search, points=seen)
    assert searched_curves(alone, seen[0]) == ()
    (point,) = (p for p in front_points(alone, seen[0]) if p.chosen)
    assert point.exit_layer == 0
    assert "first" not in point.name  # they are the same in any prompt
