from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.probes.base import ReadOut
from superneurons.probes.registry import make_read_out
from superneurons.shortcut.form import FORMS, answered, as_asked, questions_each
from superneurons.task.record import Record

COLOURS = ("blue", "green", "red")
LETTERED = "ABC"


def samples(classes: Any, n: int = 60, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each class has a column of its own that is high."""
    rng = np.random.default_rng(seed)
    y = np.array(classes)[np.arange(n) % len(classes)]
    X = rng.normal(size=(n, 6))
    X[:, : len(classes)] += 2 * (y[:, None] == np.array(classes))
    return X, y


def fitted(name: str, classes: Any) -> ReadOut:
    return make_read_out(name).fit(*samples(classes)).compact()


def plain(n: int, options: Any = None) -> list[Record]:
    return [Record((), "Which?", options=options, id=str(i)) for i in range(n)]


@pytest.mark.parametrize("name", ["super-neurons", "logistic", "knn", "savs"])
def test_without_options_the_read_out_decides(name: str) -> None:
    read_out = fitted(name, COLOURS)
    X = samples(COLOURS, 15, seed=1)[0][:, : read_out.n_features_in_]
    found = answered(plain(15), X, read_out, "direct", COLOURS)
    assert [label for label, _ in found] == read_out.predict(X).tolist()
    rows = [[shares[colour] for colour in COLOURS] for _, shares in found]
    np.testing.assert_allclose(rows, read_out.predict_proba(X), atol=1e-12)


def test_two_classes_are_decided_by_the_sign() -> None:
    read_out = fitted("paper", ("no", "yes"))
    X = samples(("no", "yes"), 15, seed=1)[0][:, : read_out.n_features_in_]
    found = answered(plain(15), X, read_out, "direct", ("no", "yes"))
    assert [label for label, _ in found] == read_out.predict(X).tolist()
    ties = np.zeros((1, read_out.n_features_in_))
    assert answered(plain(1), ties, read_out, "direct", ("no", "yes"))[0][0] == "no"


@given(
    options=st.permutations(COLOURS).flatmap(
        lambda order: st.integers(1, 3).map(lambda n: tuple(order[:n]))
    ),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_options_leave_the_odds_between_them(options: tuple[str, ...], seed: int) -> None:
    read_out = fitted("super-neurons", COLOURS)
    X = samples(COLOURS, 4, seed)[0][:, : read_out.n_features_in_]
    free = answered(plain(4), X, read_out, "direct", COLOURS)
    bound = answered(plain(4, options), X, read_out, "direct", COLOURS)
    for (_, before), (label, after) in zip(free, bound, strict=True):
        assert list(after) == list(COLOURS)
        assert label == max(options, key=lambda o: before[o])
        assert sum(after.values()) == pytest.approx(1)
        total = sum(before[option] for option in options)
        for colour in COLOURS:
            expected = before[colour] / total if colour in options else 0
            assert after[colour] == pytest.approx(expected)


@given(counts=st.lists(st.integers(2, 3), min_size=1, max_size=5), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_letters_become_the_options_in_their_places(counts: list[int], seed: int) -> None:
    read_out = fitted("super-neurons", tuple(LETTERED))
    X = samples(tuple(LETTERED), len(counts), seed)[0][:, : read_out.n_features_in_]
    rng = np.random.default_rng(seed)
    records = [
        Record((), "Which?", options=tuple(rng.permutation(COLOURS)[:n].tolist())) for n in counts
    ]
    odds = read_out.predict_proba(X)
    for row, record, (label, shares) in zip(
        odds, records, answered(records, X, read_out, "lettered", ()), strict=True
    ):
        options = record.options or ()
        expected = row[: len(options)] / row[: len(options)].sum()
        assert list(shares) == list(options)
        np.testing.assert_allclose(list(shares.values()), expected)
        assert label == options[int(expected.argmax())]


def test_a_letter_that_was_never_learnt_is_never_answered() -> None:
    read_out = fitted("super-neurons", ("B", "C"))
    X = samples(("B", "C"), 3)[0][:, : read_out.n_features_in_]
    found = answered(plain(3, COLOURS), X, read_out, "lettered", ())
    assert [shares["blue"] for _, shares in found] == [0, 0, 0]
    assert {label for label, _ in found} <= {"green", "red"}
    only = answered(plain(3, COLOURS[:2]), X, read_out, "lettered", ())
    assert [label for label, _ in only] == ["green"] * 3
    assert only[0][1] == {"blue": 0, "green": 1}


def test_options_that_are_all_unknown_are_listed() -> None:
    read_out = fitted("super-neurons", COLOURS)
    X = samples(COLOURS, 3)[0][:, : read_out.n_features_in_]
    records = [*plain(1), *plain(2, ("pink", "white"))]
    with pytest.raises(DataError, match="allow no answer") as caught:
        answered(records, X, read_out, "direct", COLOURS)
    assert [problem.where for problem in caught.value.problems] == ["0", "1"]
    assert "'blue', 'green', 'red'" in str(caught.value.mend)


def test_what_is_too_unlikely_for_a_float_still_adds_up_to_one() -> None:
    read_out = fitted("super-neurons", COLOURS)
    X = samples(COLOURS, 3)[0][:, : read_out.n_features_in_] * 1e5
    first = read_out.predict_proba(X)
    assert (first == 1).any(axis=1).all(), "not certain enough to show anything"
    for row, (label, shares) in zip(
        first, answered(plain(3, COLOURS[:2]), X, read_out, "direct", COLOURS), strict=True
    ):
        assert sum(shares.values()) == 1
        assert shares[label] == 1
        assert label == COLOURS[:2][int(row[:2].argmax())] or row[:2].sum() == 0


@pytest.mark.parametrize("form", FORMS)
def test_how_often_the_model_is_asked(form: Any) -> None:
    labels = () if form == "lettered" else COLOURS
    records = plain(4, COLOURS if form == "lettered" else None)
    each = questions_each(records, form, labels)
    assert each == (3 if form == "unrolled" else 1)
    assert len(as_asked(records, form, labels)) == 4 * each
    assert questions_each([], form, labels) == 1


def test_a_direct_question_is_left_as_it_is() -> None:
    records = plain(3, COLOURS)
    assert as_asked(records, "direct", COLOURS) is records


def test_a_label_that_is_no_option_is_said() -> None:
    records = [Record((), "Which?", "pink", COLOURS, id="a"), *plain(1, COLOURS)]
    with pytest.raises(DataError, match="a: label 'pink' is not one of"):
        as_asked(records, "lettered", ())


def test_records_without_options_are_one_question_each_until_they_are_refused() -> None:
    assert questions_each(plain(2, None), "unrolled", ()) == 1
    with pytest.raises(DataError, match="2 of 2 records cannot be asked option by option"):
        as_asked(plain(2, None), "unrolled", ())
