from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from superneurons.report.decoding import decoded, packed, plain


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 2.0


class Text(TypedDict):
    text: str


class Note(Text, total=False):
    by: str


@dataclass(frozen=True)
class Chart:
    kind: Literal["line", "bar"]
    points: tuple[Point, ...]
    ends: tuple[int, float]
    title: str | None = None
    more: Mapping[str, Any] | None = None
    counts: Mapping[str, int] | None = None
    note: Note | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    values: NDArray[np.float32]


GOOD: dict[str, Any] = {"kind": "bar", "points": [{"x": 1}, {"x": 2, "y": 3}], "ends": [1, 2]}


def problems(change: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in decoded(Chart, GOOD | change)[1]]


def test_a_dataclass_is_made_of_what_json_gives() -> None:
    more = {"more": {"a": [1, {"b": None}]}, "counts": {"n": 3}, "note": {"text": "so"}}
    found, wrong = decoded(Chart, GOOD | more | {"unknown": 1})
    assert wrong == []
    assert found == Chart("bar", (Point(1), Point(2, 3.0)), (1, 2.0), None, **more)
    assert isinstance(found.points[1].y, float)


def test_rows_may_be_given_by_column() -> None:
    by_column = decoded(Chart, GOOD | {"points": {"x": [1, 2], "y": [2.0, 3]}})[0]
    assert by_column == decoded(Chart, GOOD)[0]
    assert problems({"points": {"x": [1, 2], "y": [2.0]}}) != []
    assert problems({"points": {"x": [1, "2"]}}) == ["points[1].x: is '2', not a whole number"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "pie"}, "kind: is 'pie', not 'line' or 'bar'"),
        ({"kind": {}}, "kind: is {}, not 'line' or 'bar'"),
        ({"points": [1]}, "points[0]: is 1, not an object"),
        ({"points": [{}]}, "points[0].x: missing"),
        ({"points": [{"x": True}]}, "points[0].x: is True, not a whole number"),
        ({"points": [{"x": 1, "y": float("inf")}]}, "points[0].y: is inf, not a finite number"),
        ({"points": [{"x": 1, "y": float("nan")}]}, "points[0].y: is nan, not a finite number"),
        ({"ends": [1]}, "ends: is [1], not a list of 2"),
        ({"ends": [1, 2, 3]}, "ends: is [1, 2, 3], not a list of 2"),
        ({"title": 1}, "title: is 1, not text"),
        ({"counts": {"n": 0.5}}, "counts.n: is 0.5, not a whole number"),
        ({"counts": [1]}, "counts: is [1], not an object"),
        ({"note": {"by": 1}}, "note.text: missing"),
        ({"title": ["a" * 100]}, f"title: is ['{'a' * 38}…, not text"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], said: str) -> None:
    assert said in problems(change)


def test_every_place_is_named_and_nothing_is_made() -> None:
    found, wrong = decoded(Chart, {"kind": 1, "points": None})
    assert found is None
    assert [problem.where for problem in wrong] == ["kind", "points", "ends"]
    assert decoded(Chart, [])[1][0].where == "the file"


@given(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_an_array_keeps_its_ends_and_comes_near_the_rest(values: NDArray[np.float32]) -> None:
    stored = json.loads(json.dumps(packed(values)))
    found = decoded(Grid, {"values": stored})[0]
    assert found is not None
    assert found.values.shape == values.shape
    assert found.values.min() == values.min()
    assert found.values.max() == values.max()
    reach = float(values.max()) - float(values.min())
    assert (
        np.abs(found.values - values).max() <= reach / 510 * (1 + 1e-6) + 1e-6 * abs(values).max()
    )


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("values", "AAAA=", "values.values"),
        ("values", "é", "values.values"),
        ("values", 1, "values.values"),
        ("shape", [2, 3], "values.values"),
        ("shape", [-2, -2], "values.values"),
        ("shape", "22", "values.shape"),
        ("low", None, "values.low"),
    ],
)
def test_an_array_that_was_tampered_with_is_refused(name: str, value: Any, where: str) -> None:
    stored = packed(np.arange(4, dtype=np.float32).reshape(2, 2)) | {name: value}
    found, wrong = decoded(Grid, {"values": stored})
    assert found is None
    assert [problem.where for problem in wrong] == [where]


def test_what_json_does_not_know_becomes_what_it_does() -> None:
    given = {1: (np.float32(0.5), float("inf"), None, True), "p": Path("a") / "b", "s": "\udc80"}
    assert plain(given) == {"1": [0.5, None, None, True], "p": "a/b", "s": "?"}
