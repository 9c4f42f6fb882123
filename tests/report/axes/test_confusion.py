from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from report.axes.drawn import check_paper, given_axes, texts
from report.runs import confusion as two_labels
from report.runs import many_labels
from superneurons.report.axes import confusion
from superneurons.report.run import Confusion


def test_rows_are_labels_and_columns_answers() -> None:
    ax = confusion(Confusion(("a", "b"), ((8, 2), (0, 5)), (), (), ()))
    assert np.allclose(ax.images[0].get_array(), [[80, 20], [0, 100]])
    assert texts(ax) == ["8", "2", "0", "5"]
    assert [text.get_position() for text in ax.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("answer", "label")
    assert ax.images[0].get_clim() == (0, 100), "a colour is the same share in every figure"
    assert "share of the label's records" in ax.figure.axes[1].get_ylabel()


def test_numbers_stand_out_from_their_colour() -> None:
    ax = confusion(two_labels())
    shown = ax.images[0]
    shares = shown.get_array()
    for text, share in zip(ax.texts, shares.ravel(), strict=True):
        behind = np.mean(shown.cmap(shown.norm(share))[:3])
        assert abs(behind - np.mean(to_rgba(text.get_color())[:3])) > 0.4
    check_paper(ax)


def test_many_labels_are_upright() -> None:
    found = many_labels()
    ax = confusion(found)
    assert {tick.get_rotation() for tick in ax.get_xticklabels()} == {90}
    assert len(ax.texts) == 121
    check_paper(ax)


@pytest.mark.parametrize(("n", "upright"), [(6, False), (7, True)])
def test_up_to_six_labels_lie_flat(n: int, upright: bool) -> None:
    counts = tuple(tuple(int(a == b) for a in range(n)) for b in range(n))
    ax = confusion(Confusion(tuple("abcdefg"[:n]), counts, (), (), ()))
    assert {tick.get_rotation() for tick in ax.get_xticklabels()} == {90 if upright else 0}
    assert ({text.get_fontsize() for text in ax.texts} == {5}) == upright


def test_a_label_that_no_record_has_is_no_error() -> None:
    ax = confusion(Confusion(("a", "b"), ((3, 1), (0, 0)), (), (), ()))
    assert ax.images[0].get_array()[1].tolist() == [0, 0]


def test_given_axes_are_drawn_on() -> None:
    ax = given_axes()
    assert confusion(two_labels(), ax) is ax
    assert len(ax.images) == 1
