from __future__ import annotations

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.evaluate.recommendation import Contestant, recommend

CLASSES = ["no", "yes"]
N = 400
TRUE = np.array(CLASSES)[np.arange(N) % 2]


def contestant(kind: str, accuracy: float, *, ms: float | None = None, seed: int = 0) -> Contestant:
    """Right on the first samples of a fixed shuffle, so that better ones are right on more."""
    order = np.random.default_rng(seed).permutation(N)
    right = np.argsort(order) < accuracy * N
    predicted = np.where(right, TRUE, np.where(TRUE == "no", "yes", "no"))
    return Contestant(f"the {kind}", kind, predicted.tolist(), ms)


@pytest.mark.parametrize(
    ("contestants", "choice", "words"),
    [
        ([("base", 0.9), ("neurons", 0.9), ("probe", 0.9)], "base", "Keep the base model"),
        ([("base", 0.9), ("neurons", 0.905)], "base", "Keep the base model"),
        ([("base", 0.6), ("calibrated", 0.8), ("neurons", 0.8)], "calibrated", "Calibrate"),
        ([("base", 0.6), ("vision", 0.9), ("probe", 0.9)], "vision", "vision-only probe is enough"),
        ([("base", 0.6), ("probe", 0.9), ("neurons", 0.9)], "neurons", "30.0 points more"),
        ([("neurons", 0.8), ("probe", 0.95)], "probe", "Use the probe: it reaches"),
        ([("base", 0.7), ("text", 0.6)], "base", "Keep the base model"),
    ],
)
def test_the_simplest_that_is_good_enough_is_recommended(contestants, choice, words) -> None:
    found = recommend(TRUE.tolist(), [contestant(*c) for c in contestants], classes=CLASSES)
    assert found.choice == f"the {choice}"
    assert words in found.sentence
    assert found.sentence.endswith(".")
    assert set(found.behind_best) == {f"the {kind}" for kind, _ in contestants}


def test_speed_speaks_for_one_that_is_as_good() -> None:
    slow, fast = contestant("base", 0.9, ms=100.0), contestant("neurons", 0.9, ms=40.0)
    found = recommend(TRUE.tolist(), [slow, fast], classes=CLASSES)
    assert found.choice == "the neurons"
    assert "2.5 times as fast as the base" in found.sentence


@pytest.mark.parametrize(("accuracy", "ms"), [(0.9, 90.0), (0.7, 10.0), (0.9, None)])
def test_speed_does_not_excuse_being_worse_nor_small_gains(accuracy, ms) -> None:
    slow, fast = contestant("base", 0.9, ms=100.0), contestant("neurons", accuracy, ms=ms)
    assert recommend(TRUE.tolist(), [slow, fast], classes=CLASSES).choice == "the base"


def test_words_that_know_as_much_are_a_warning() -> None:
    contestants = [contestant("base", 0.85), contestant("text", 0.85)]
    found = recommend(TRUE.tolist(), contestants, classes=CLASSES)
    assert found.choice is None
    assert found.sentence.startswith("Balance your data first")


def test_guessing_is_not_recommended() -> None:
    found = recommend(TRUE.tolist(), [contestant("base", 0.5)], classes=CLASSES)
    assert found.choice is None
    assert "Nothing here beats guessing" in found.sentence


def test_nobody_is_refused() -> None:
    with pytest.raises(DataError, match="Nobody"):
        recommend(TRUE.tolist(), [contestant("text", 0.9)], classes=CLASSES)


def test_the_order_of_contestants_changes_nothing() -> None:
    contestants = [contestant(k, a) for k, a in (("base", 0.6), ("neurons", 0.9), ("probe", 0.91))]
    forward, backward = (
        recommend(TRUE.tolist(), given, classes=CLASSES)
        for given in (contestants, contestants[::-1])
    )
    assert (forward.choice, forward.sentence) == (backward.choice, backward.sentence)


def test_nobody_is_behind_itself() -> None:
    found = recommend(
        TRUE.tolist(), [contestant("base", 0.6), contestant("neurons", 0.9)], classes=CLASSES
    )
    assert found.behind_best["the neurons"].difference == 0
    assert found.behind_best["the base"].difference == pytest.approx(0.3)
