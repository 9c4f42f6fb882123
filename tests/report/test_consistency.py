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


@pytest.mark.parametrize(
    ("parts", "said_of_it"),
    [
        ({"ece": 1.01}, "ece: 1.01 is not from 0 to 1"),
        (
            {"curves": (replace(CURVE, intervals=((0.4, 0.6),)),)},
            "curves[0].layers: 2 of them, with 2 accuracies and 1 intervals",
        ),
        (
            {"curves": (replace(CURVE, balanced_accuracy=(0.5,)),)},
            "curves[0].layers: 2 of them, with 1 accuracies and 2 intervals",
        ),
        ({"curves": (replace(CURVE, layers=(2, 1)),)}, "curves[0].layers: (2, 1) don't ascend"),
        ({"curves": (replace(CURVE, layers=(0, 1)),)}, "curves[0].layers: (0, 1) don't ascend"),
        (
            {"curves": (replace(CURVE, intervals=((0.4, 0.6), (0.8, 0.7))),)},
            "curves[0].intervals: (0.8, 0.7) ends before it begins",
        ),
        (
            {"tradeoffs": (POINT, replace(POINT, ms_range=(13.0, 11.0)))},
            "tradeoffs[1].ms_range: (13.0, 11.0) ends before it begins",
        ),
        ({"tradeoffs": (replace(POINT, exit_layer=-1),)}, "tradeoffs[0].exit_layer: -1 is below"),
        ({"bins": (Bin(0, 1, 3, 0.5, 1.5),)}, "bins[0].confidence: 1.5 is not from 0 to 1"),
        (
            {"confusion": Confusion(("a", "b"), ((1, 2), (-3, 4)), (), (), ())},
            "confusion.counts: -3 is below 0",
        ),
        (
            {"confusion": Confusion(("a",), ((1,),), (), (replace(EXAMPLE, confidence=7.0),), ())},
            "confusion.wrong[0].confidence: 7.0 is not from 0 to 1",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_value(parts: dict[str, Any], said_of_it: str) -> None:
    (found,) = said(**parts)
    assert found.startswith(said_of_it)


def test_scores_of_neurons_are_shares() -> None:
    selection = fitted_run().selection
    assert selection is not None
    scores = selection.scores.copy()
    scores[1, 2] = 1.5
    chosen = (replace(selection.chosen[0], score=-0.5),)
    wrong = replace(selection, scores=scores, chosen=chosen, null_maxima=(0.5, 2.0), n=-7)
    assert said(selection=wrong) == [
        "selection.scores: 1.5 is not from 0 to 1",
        "selection.chosen: -0.5 is not from 0 to 1",
        "selection.null_maxima: 2.0 is not from 0 to 1",
        "selection.n: -7 is below 0",
    ]


def test_the_last_layer_and_the_first_column_are_there() -> None:
    selection = fitted_run().selection
    assert selection is not None
    layers, width = selection.scores.shape
    first = selection.chosen[0]
    edges = (replace(first, layer=layers, column=0), replace(first, layer=1, column=width - 1))
    assert said(selection=replace(selection, chosen=edges)) == []


def test_all_that_cannot_be_true_is_said_at_once() -> None:
    found = said(ece=2.0, bins=(Bin(0, 1, -1, 0, 1),), agreement=Agreement(-1, 0, 0, 0))
    assert [problem.split(": ")[0] for problem in found] == ["bins[0].n", "ece", "agreement"]
