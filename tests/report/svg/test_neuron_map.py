from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from report.drawn import drawn, number
from report.runs import selection
from superneurons.report.run import Chosen, Selection
from superneurons.report.svg.neuron_map import MOST_RINGED, draw_map, map_alt, neurons_per_cell


def _small(**changes: object) -> Selection:
    scores = np.full((4, 10), 0.5, dtype=np.float32)
    scores[2, 7], scores[0, 1] = 0.9, 0.7
    chosen = (Chosen(3, 7, 0.9, 1.5), Chosen(1, 1, 0.7, -1.0))
    known = Selection("residual", "last_prompt", scores, chosen, (0.6, 0.62), 80, "paper")
    return replace(known, **changes)  # type: ignore[arg-type]


def test_it_says_which_layers_and_which_neuron() -> None:
    told = map_alt(_small()).finding.replace("\N{NO-BREAK SPACE}", " ")
    assert "40 neurons in 4 layers" in told
    assert "paper reads 2 of them, in layers 1 to 3, most (1) in layer 1" in told
    assert "neuron 7 of layer 3, has a balanced accuracy of 90.0 %" in told


def test_all_in_one_layer_and_none_at_all() -> None:
    one = map_alt(_small(chosen=(Chosen(2, 0, 0.6, 1.0),))).finding
    assert "paper reads 1 of them, all in layer 2" in one
    assert "reads" not in map_alt(_small(chosen=())).finding
    assert "2 were chosen, in layers" in map_alt(_small(read_out="")).finding


@pytest.mark.parametrize("width", [350.0, 736.0])
def test_rings_are_where_the_chosen_neurons_are(width: float) -> None:
    found = drawn(draw_map(_small(), width, "map"))
    rings = [ring for ring in found.of_class("ring") if ring.find("title") is not None]
    assert len(rings) == 2
    (frame,) = (e for e in found.root.iter("svg") if e.get("x"))
    left, top = number(frame, "x"), number(frame, "y")
    wide, tall = number(frame, "width"), number(frame, "height")
    expected = {(left + 7.5 / 10 * wide, top + 2.5 / 4 * tall),
                (left + 1.5 / 10 * wide, top + 0.5 / 4 * tall)}  # fmt: skip
    places = {(number(ring, "cx"), number(ring, "cy")) for ring in rings}
    for place in expected:
        assert min(np.hypot(place[0] - x, place[1] - y) for x, y in places) < 0.1


def test_a_ring_says_what_is_in_it() -> None:
    hints = drawn(draw_map(_small(), 736, "map")).hints
    assert "layer 3, neuron 7: 90.0 %, weight 1.5" in hints


def test_the_script_gets_the_scores_that_are_drawn() -> None:
    known = selection(5, 1000, 8)
    found = drawn(draw_map(known, 736, "map"))
    (cells,) = found.of_class("cells")
    rows, n, each = (int(number(cells, f"data-{name}")) for name in ("rows", "cells", "each"))
    assert (rows, each) == (5, neurons_per_cell(known, 736))
    low, high = number(cells, "data-low"), number(cells, "data-high")
    read = [
        np.frombuffer(base64.b64decode(cells.get(f"data-{name}", "")), "<u2").reshape(rows, n)
        for name in ("scores", "columns")
    ]
    columns = read[1] + np.arange(n) * each
    scores = low + read[0] / 65535 * (high - low)
    assert np.abs(scores - np.take_along_axis(known.scores, columns, axis=1)).max() < 1e-4
    layer, column = np.unravel_index(known.scores.argmax(), known.scores.shape)
    assert column in columns[layer]


def test_of_many_chosen_only_the_strongest_have_rings_and_bars_count_all() -> None:
    found = drawn(draw_map(selection(chosen=400), 736, "map"))
    rings = [ring for ring in found.of_class("ring") if ring.find("title") is not None]
    assert len(rings) == MOST_RINGED
    counted = [int(hint.split(": ")[1].split()[0]) for hint in found.hints if "chosen" in hint]
    assert sum(counted) == 400


@pytest.mark.parametrize(
    ("kind", "deepest", "marked"),
    [("residual", 3, True), ("residual", 4, False), ("vision", 3, False), ("mlp", 1, True)],
)
def test_the_exit_is_marked_where_later_layers_do_not_run(
    kind: str, deepest: int, marked: bool
) -> None:
    known = _small(kind=kind, chosen=(Chosen(deepest, 0, 0.6, 1.0),))
    assert ("exit" in drawn(draw_map(known, 736, "map")).texts) == marked


@pytest.mark.parametrize(("layers", "width"), [(1, 4), (2, 2000), (32, 4096), (120, 64)])
@pytest.mark.parametrize("room", [350.0, 736.0])
def test_models_of_all_shapes_fit(layers: int, width: int, room: float) -> None:
    known = selection(layers, width, chosen=min(9, layers * width))
    found = drawn(draw_map(known, room, "map"))
    assert found.root.get("width") == f"{room:g}"
    assert 100 < number(found.root, "height") < 560


def test_chance_is_marked_in_the_key_only_where_it_was_measured() -> None:
    assert "chance" in drawn(draw_map(_small(), 736, "map")).texts
    assert "chance" not in drawn(draw_map(_small(null_maxima=()), 736, "map")).texts
