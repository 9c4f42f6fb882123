from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from report.axes.drawn import check_paper, given_axes
from report.runs import selection
from superneurons.report.axes import neuron_map


def test_each_score_is_at_its_layer_and_column() -> None:
    found = selection(layers=6, width=20, chosen=3)
    ax = neuron_map(found)
    (image,) = ax.images
    assert np.allclose(image.get_array(), 100 * found.scores)
    assert image.origin == "lower"
    assert image.get_extent() == [-0.5, 19.5, 0.5, 6.5]
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 19.5), (0.5, 6.5))
    assert ax.get_ylabel() == "layer"
    assert "of each neuron alone" in ax.figure.axes[1].get_ylabel()
    check_paper(ax)


def test_chosen_ones_point_to_their_sign_and_are_as_large_as_their_weight() -> None:
    found = selection(chosen=9)
    ax = neuron_map(found)
    marked = {str(one.get_label()): one for one in ax.collections}
    assert set(marked) == {"weight above 0", "weight below 0"}
    for above, name in ((True, "weight above 0"), (False, "weight below 0")):
        wanted = [c for c in found.chosen if (c.weight > 0) == above]
        assert marked[name].get_offsets().tolist() == [[c.column, c.layer] for c in wanted]
        (shape,) = marked[name].get_paths()
        heights = shape.vertices[:3, 1]
        assert (np.abs(heights - heights.max()) < 1e-6).sum() == (1 if above else 2)
        assert marked[name].get_facecolor()[0].tolist() == [1, 1, 1, 1]
        order = np.argsort([abs(c.weight) for c in wanted])
        assert (np.diff(np.asarray(marked[name].get_sizes())[order]) >= 0).all()
    assert max(one.get_sizes().max() for one in marked.values()) == pytest.approx(40)


def test_a_good_neuron_is_not_averaged_away() -> None:
    found = selection(layers=4, width=4096, chosen=1)
    scores = np.full((4, 4096), 0.5, dtype=np.float32)
    scores[2, 4095] = 0.9
    ax = neuron_map(replace(found, scores=scores))
    shown = ax.images[0].get_array()
    assert shown.shape == (4, 1024)
    assert shown[2, -1] == pytest.approx(90)
    assert np.count_nonzero(shown > 50) == 1
    assert "best of 4" in ax.figure.axes[1].get_ylabel()


def test_columns_left_over_are_kept_within_the_axes() -> None:
    found = selection(layers=2, width=1030, chosen=1)
    ax = neuron_map(found)
    assert ax.images[0].get_array().shape == (2, 515)
    assert ax.get_xlim() == (-0.5, 1029.5)
    odd = neuron_map(selection(layers=2, width=1031, chosen=1))
    assert odd.images[0].get_extent()[:2] == [-0.5, 1031.5]
    assert odd.get_xlim() == (-0.5, 1030.5), "the last place is wider than what it shows"


@pytest.mark.parametrize(("width", "shown"), [(1024, 1024), (1025, 513)])
def test_as_many_columns_are_shown_as_can_be_seen(width: int, shown: int) -> None:
    ax = neuron_map(selection(layers=2, width=width, chosen=1))
    assert ax.images[0].get_array().shape == (2, shown)


def test_layers_are_whole_numbers() -> None:
    ax = neuron_map(selection(layers=2, width=20, chosen=1))
    assert all(float(tick).is_integer() for tick in ax.get_yticks())


def test_weights_of_nothing_are_marked_small() -> None:
    found = selection(chosen=3)
    ax = neuron_map(replace(found, chosen=tuple(replace(c, weight=0.0) for c in found.chosen)))
    (mark,) = ax.collections
    assert mark.get_label() == "weight above 0"
    assert mark.get_sizes() == pytest.approx([4] * 3)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["weight above 0"]


def test_nothing_chosen_draws_no_mark() -> None:
    ax = neuron_map(replace(selection(), chosen=()))
    assert not ax.collections
    assert ax.get_legend() is None


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    assert neuron_map(selection(layers=3, width=10), ax) is ax
    assert len(ax.images) == 1


def test_many_marks_are_small() -> None:
    few, many = (neuron_map(selection(chosen=n)).collections[0] for n in (100, 1000))
    assert many.get_sizes().max() == pytest.approx(few.get_sizes().max() / 10, rel=0.2)
    assert many.get_linewidths()[0] < few.get_linewidths()[0]
