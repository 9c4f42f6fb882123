from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError, MismatchError
from superneurons.probes.registry import READ_OUTS, make_read_out
from superneurons.shortcut.checks import (
    check_classes,
    check_shape,
    check_values,
    native_or_unrolled,
    usable_read_out,
)
from superneurons.task.record import Record


def records(n: int) -> list[Record]:
    return [Record((), "Q", id=f"r{i}" if i % 2 else "") for i in range(n)]


@pytest.mark.parametrize("name", sorted(READ_OUTS))
def test_a_read_out_of_activations_is_made_and_others_are_sent_elsewhere(name: str) -> None:
    if "logits" in name:
        with pytest.raises(DataError, match=f"{name!r}[\\s\\S]*superneurons compare"):
            usable_read_out(name, None)
    else:
        assert usable_read_out(name, {}).name == name


def test_parameters_reach_the_read_out() -> None:
    assert usable_read_out("paper", {"metric": "f1"}).get_params()["metric"] == "f1"


def test_many_answers_are_unrolled_only_where_they_must_be() -> None:
    paper, others = make_read_out("paper"), sorted(READ_OUTS.keys() - {"paper"})
    assert native_or_unrolled("auto", paper) == "unrolled"
    assert {native_or_unrolled("auto", make_read_out(name)) for name in others} == {"native"}
    assert native_or_unrolled("native", paper) == "native"
    assert native_or_unrolled("unrolled", make_read_out("knn")) == "unrolled"
    with pytest.raises(DataError, match="multiclass is 'none'") as caught:
        native_or_unrolled("none", paper)  # type: ignore[arg-type]
    assert "auto, native, unrolled" in str(caught.value.mend)


def test_classes_beyond_two_are_named() -> None:
    y = np.array(["a", "b", "c", "a"])
    with pytest.raises(DataError, match="not 3: 'a', 'b', 'c'"):
        check_classes(make_read_out("paper"), y)
    check_classes(make_read_out("paper"), y[:2])
    check_classes(make_read_out("super-neurons"), y)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_all_that_differs_in_shape_is_said(n: int, layers: int, width: int) -> None:
    wrong = {
        name
        for name, bad in (("records", n != 2), ("layers", layers < 3), ("width", width != 4))
        if bad
    }
    activations = np.zeros((n, layers, width), np.float16)
    if not wrong:
        check_shape(activations, n=2, layers=3, width=4)
        return
    with pytest.raises(MismatchError) as caught:
        check_shape(activations, n=2, layers=3, width=4)
    assert {problem.where for problem in caught.value.problems} == wrong
    assert caught.value.mend


def test_flat_activations_are_no_activations() -> None:
    with pytest.raises(MismatchError, match=r"\(2, 12\), not \(records, layers, width\)"):
        check_shape(np.zeros((2, 12)), n=2, layers=3, width=4)


@given(
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=6),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
@settings(max_examples=50, deadline=None)
def test_every_bad_record_is_named_with_its_layers(
    places: set[tuple[int, int]], value: float
) -> None:
    X = np.ones((4, 6), np.float16)
    for row, column in places:
        X[row, column] = value
    layers = np.array([1, 1, 1, 4, 4, 9])
    if not places:
        check_values(X, layers, records(4))
        return
    with pytest.raises(DataError) as caught:
        check_values(X, layers, records(4))
    assert [problem.where for problem in caught.value.problems] == [
        f"r{row}" if row % 2 else f"record {row}" for row in sorted({row for row, _ in places})
    ]
    kind = "NaN" if np.isnan(value) else "infinity"
    for problem in caught.value.problems:
        row = int(problem.where.removeprefix("record ").removeprefix("r"))
        found = [int(layers[column]) for r, column in places if r == row]
        shown = ", ".join(f"layer {k} ({found.count(k)} neurons)" for k in sorted(set(found)))
        assert problem.what == f"{kind} in {shown}"


def test_questions_on_one_record_are_named_once() -> None:
    X = np.full((2, 3), np.nan, np.float16)
    same = [Record((), "Is it a?", id="r"), Record((), "Is it b?", id="r")]
    with pytest.raises(DataError) as caught:
        check_values(X, [1, 1, 1], same)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_near_infinity_are_named_like_those_that_are_none(dtype: type) -> None:
    X = np.zeros((3, 4), dtype)
    X[0, 1], X[2, [1, 3]] = -2e30, 3e30
    with pytest.raises(DataError) as caught:
        check_values(X, [1, 1, 2, 2], records(3))
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("record 0", "more than 1e+30 in layer 1 (1 neurons)"),
        ("record 2", "more than 1e+30 in layer 1 (1 neurons), layer 2 (1 neurons)"),
    ]
    check_values(X / 4, [1, 1, 2, 2], records(3))


def test_the_worst_kind_names_a_record_and_all_its_layers_are_said() -> None:
    X = np.array([[np.inf, 2e30, 0.0], [2e30, 0.0, np.nan]])
    with pytest.raises(DataError) as caught:
        check_values(X, [1, 2, 3], records(2))
    assert [problem.what for problem in caught.value.problems] == [
        "infinity in layer 1 (1 neurons), layer 2 (1 neurons)",
        "NaN in layer 1 (1 neurons), layer 3 (1 neurons)",
    ]
