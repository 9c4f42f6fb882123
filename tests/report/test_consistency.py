from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from report.runs import fitted_run, full_run, sparse_run, thumbnail
from superneurons.report.consistency import contradictions
from superneurons.report.run import Agreement, Bin, Confusion, Curve, Example, Run, Tradeoff

EXAMPLE = Example("a", "Is it?", "yes", "no", 0.7, thumbnail(90))
CURVE = Curve("one", (1, 2), (0.5, 0.75), ((0.4, 0.6), (0.7, 0.8)), 10, True)
POINT = Tradeoff("one", 0.75, (0.7, 0.8), 12.0, (11.0, 13.0), 4)


def said(**parts: Any) -> list[str]:
    return [str(problem) for problem in contradictions(sparse_run(**parts))]


@pytest.mark.parametrize("run", [full_run(), fitted_run(), sparse_run()])
def test_what_commands_find_can_be_true(run: Run) -> None:
    assert contradictions(run) == []


def test_ends_and_edges_are_allowed() -> None:
    assert said(curves=(replace(CURVE, intervals=()),)) == []
    assert said(curves=(replace(CURVE, balanced_accuracy=(0.0, 1.0)),)) == []
    assert said(tradeoffs=(replace(POINT, exit_layer=None, ms_range=(12.0, 12.0)),)) == []
    assert said(bins=(Bin(0, 1, 0, 0, 1),), ece=0.0) == []
    assert said(confusion=Confusion((), (), (), (), ())) == []


@pytest.mark.parametrize(
    ("parts", "places"),
    [
        ({"ece": -0.1}, ["ece"]),
        ({"curves": (replace(CURVE, layers=(), balanced_accuracy=(), intervals=()),)}, ["layers"]),
        ({"curves": (replace(CURVE, layers=(2, 2)),)}, ["layers"]),
        ({"curves": (replace(CURVE, balanced_accuracy=(0.5, 1.5)),)}, ["balanced_accuracy"]),
        ({"curves": (CURVE, replace(CURVE, n=-1))}, ["curves[1].n"]),
        ({"tradeoffs": (replace(POINT, ms=0.0),)}, ["ms"]),
        ({"tradeoffs": (replace(POINT, ms_range=(-1.0, 2.0)),)}, ["ms"]),
        ({"tradeoffs": (replace(POINT, interval=(0.8, 0.7)),)}, ["interval"]),
        ({"tradeoffs": (replace(POINT, balanced_accuracy=2.0),)}, ["balanced_accuracy"]),
        ({"bins": (Bin(0.8, 0.7, 1, 0.5, 0.5),)}, ["bins[0].low"]),
        ({"bins": (Bin(-1.0, 2.0, -1, 0.5, 3.0),)}, ["low", "confidence", "n"]),
        ({"confusion": Confusion(("a",), ((1, 2),), (), (), ())}, ["confusion.counts"]),
        ({"agreement": Agreement(1, 2, -3, 4)}, ["agreement"]),
    ],
)
def test_what_cannot_be_true_is_named(parts: dict[str, Any], places: list[str]) -> None:
    found = said(**parts)
    assert len(found) == len(places)
    for problem, place in zip(found, places, strict=True):
        assert problem.split(": ")[0].endswith(place)


def test_neurons_must_be_where_there_are_any() -> None:
    selection = fitted_run().selection
    assert selection is not None
    layers, width = selection.scores.shape
    first = selection.chosen[0]
    for place in ({"layer": 0}, {"layer": layers + 1}, {"column": width}, {"column": -1}):
        wrong = replace(selection, chosen=(first, replace(first, **place)))
        assert said(selection=wrong) == [
            f"selection.chosen: layer {wrong.chosen[1].layer}, column {wrong.chosen[1].column} is "
            f"not among {layers} layers of {width}"
        ]
    flat = replace(selection, scores=np.zeros(3, dtype=np.float32), chosen=())
    assert said(selection=flat) == ["selection.scores: shape (3,), not layers by neurons"]
    none = replace(selection, scores=np.zeros((0, 4), dtype=np.float32), chosen=())
    assert len(said(selection=none)) == 1


def test_examples_show_jpegs_only() -> None:
    shown = replace(EXAMPLE, thumbnail="data:image/svg+xml;base64,PHN2Zz4=")
    confusion = Confusion(("a",), ((1,),), (EXAMPLE, shown), (), (replace(EXAMPLE, thumbnail=""),))
    assert said(confusion=confusion) == [
        "confusion.right[1].thumbnail: no small JPEG as data:image/jpeg;base64"
    ]
