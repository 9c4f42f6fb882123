from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb

from report.axes.drawn import given_axes
from report.runs import full_run
from superneurons.errors import MissingExtraError
from superneurons.report import axes
from superneurons.report.axes.sheet import COLOURS, MARKERS, finished, placed, whole_numbers


def test_global_settings_and_pyplot_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    run = full_run()
    assert run.selection is not None
    axes.neuron_map(run.selection)
    axes.score_distribution(run.selection)
    axes.tradeoff_front(run.tradeoffs)
    assert dict(mpl.rcParams) == before
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []


def test_importing_it_needs_no_matplotlib() -> None:
    code = "import sys, superneurons.report.axes; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> None:
        raise ImportError(name=name)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(MissingExtraError, match=r"superneurons\[plot\]"):
        placed(None)


def test_given_axes_keep_their_own_text() -> None:
    ax = given_axes()
    ax.set_xlabel("wide", fontsize=20)
    assert placed(ax) == (ax, False)
    assert finished(ax, False).xaxis.label.get_fontsize() == 20
    assert finished(ax, True).xaxis.label.get_fontsize() == 8


def test_text_smaller_than_that_stays_as_it_is() -> None:
    ax, own = placed(None)
    text = ax.text(0, 0, "note", fontsize=5)
    finished(ax, own)
    assert text.get_fontsize() == 5


def test_a_new_sheet_is_one_column_with_nothing_around_it() -> None:
    ax, own = placed(None)
    assert own
    assert tuple(ax.figure.get_size_inches()) == (3.5, 2.7)  # type: ignore[union-attr]
    shown = {side for side, spine in ax.spines.items() if spine.get_visible()}
    assert shown == {"left", "bottom"}
    finished(ax, own)
    assert {tick.get_fontsize() for tick in ax.get_xticklabels()} == {7}


def test_layers_have_no_halves() -> None:
    ax = given_axes()
    ax.plot([1, 3], [1, 3])
    whole_numbers(ax.xaxis)
    assert all(float(tick).is_integer() for tick in ax.get_xticks())
    assert not all(float(tick).is_integer() for tick in ax.get_yticks())


def test_lightness_or_marker_tells_colours_apart() -> None:
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(COLOURS)
    grey = [sum(w * c for w, c in zip((0.3, 0.59, 0.11), to_rgb(x), strict=True)) for x in COLOURS]
    assert max(grey) < 0.75  # each is visible on white
