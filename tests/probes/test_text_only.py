from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from superneurons.errors import DataError
from superneurons.probes.text_only import TextOnly


def test_it_finds_a_prior_in_the_words() -> None:
    questions = ["Is there a dog?", "Is there a unicorn?"] * 20
    fitted = TextOnly().fit(questions, ["yes", "no"] * 20)
    assert fitted.predict(["Any UNICORN?", "Some dog."]).tolist() == ["no", "yes"]
    p = fitted.predict_proba(questions)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p[::2, 1] > 0.8).all()


@pytest.mark.parametrize("question", ["Is it too dark?", "", "  ", "?!", "是"])
def test_a_question_that_is_always_the_same_gives_the_share_of_each_label(question) -> None:
    fitted = TextOnly().fit([question] * 40, ["a"] * 30 + ["b"] * 10)
    np.testing.assert_allclose(fitted.predict_proba([question]), [[0.75, 0.25]], atol=1e-3)


def test_twins_leave_it_at_chance() -> None:
    questions = [f"Is there a {noun}?" for noun in ("dog", "cat", "cup") for _ in range(2)]
    p = TextOnly().fit(questions, ["no", "yes"] * 3).predict_proba(questions)
    np.testing.assert_allclose(p, 0.5, atol=1e-6)


def test_words_never_seen_are_no_trouble() -> None:
    fitted = TextOnly().fit(["one", "two", "three"], ["a", "b", "c"])
    assert fitted.predict_proba(["four"]).shape == (1, 3)


@pytest.mark.parametrize(
    ("questions", "y", "message"),
    [
        ("Is it?", ["yes"], "single string"),
        (["Is it?", 3, None], ["yes", "no", "no"], "question 1: int, not text"),
        (["Is it?", "Was it?"], ["yes"], "as many labels"),
        (["Is it?", "Was it?"], ["yes", "yes"], "at least two classes"),
    ],
)
def test_bad_input_is_refused(questions, y, message) -> None:
    with pytest.raises(DataError, match=message):
        TextOnly().fit(questions, y)


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(NotFittedError):
        TextOnly().predict(["Is it?"])


def test_it_is_logistic_regression_on_counts_of_words() -> None:
    questions = ["Is it a dog, a dog?", "Is it a cat?", "a DOG!", "no", "it is", "Cat ?"]
    y = [1, 0, 1, 0, 1, 0]
    split = [["is", "it", "a", "dog", ",", "a", "dog", "?"], ["is", "it", "a", "cat", "?"],
             ["a", "dog", "!"], ["no"], ["it", "is"], ["cat", "?"]]  # fmt: skip
    words = sorted({word for of_question in split for word in of_question})
    counts = np.array([[of.count(word) for word in words] + [1] for of in split])
    for C in (0.1, 1.0, 30.0):
        expected = LogisticRegression(C=C, max_iter=1000).fit(counts, y).predict_proba(counts)
        found = TextOnly(C=C).fit(questions, y).predict_proba(questions)
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_probabilities_are_in_the_order_of_the_sorted_labels() -> None:
    questions = ["red", "green", "blue"] * 10
    fitted = TextOnly(C=100).fit(questions, ["z", "m", "a"] * 10)
    assert fitted.classes_.tolist() == ["a", "m", "z"]
    assert fitted.predict_proba(["red", "green", "blue"]).argmax(axis=1).tolist() == [2, 1, 0]
    assert fitted.predict(["blue!"]).tolist() == ["a"]


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_bad_questions_are_refused_after_the_fit_too(method) -> None:
    fitted = TextOnly().fit(["one", "two"], ["a", "b"])
    with pytest.raises(DataError) as caught:
        getattr(fitted, method)(["one", None, 3.5, "two"])
    assert [(p.where, p.what) for p in caught.value.problems] == [
        ("question 1", "NoneType, not text"),
        ("question 2", "float, not text"),
    ]
    with pytest.raises(DataError, match="single string"):
        getattr(fitted, method)("one")
