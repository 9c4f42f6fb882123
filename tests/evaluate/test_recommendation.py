from __future__ import annotations

import numpy as np
import pytest

from superneurons.errors import DataError
from superneurons.evaluate.metrics import score
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


def flipped(rows) -> list[str]:
    """Right answers, but for these rows."""
    turned = set(rows)
    return [
        {"no": "yes", "yes": "no"}[str(label)] if i in turned else str(label)
        for i, label in enumerate(TRUE)
    ]


def test_what_is_worse_than_a_simpler_one_that_was_ruled_out_is_no_advice() -> None:
    """The base model errs where the best does and a little more; the neurons err elsewhere."""
    best = Contestant("the probe", "probe", flipped(range(40)))
    base = Contestant("the base", "base", flipped(range(52)))
    neurons = Contestant("the neurons", "neurons", flipped(range(200, 256)))
    found = recommend(TRUE.tolist(), [base, neurons, best], classes=CLASSES)
    assert found.behind_best["the base"].interval[0] > 0
    assert found.behind_best["the neurons"].interval[0] < 0
    assert found.behind_best["the neurons"].difference > found.behind_best["the base"].difference
    assert found.choice == "the probe"
    assert "3.0 points more than the base model" in found.sentence
    quick = Contestant("the neurons", "neurons", flipped(range(200, 256)), 1.0)
    slow = Contestant("the probe", "probe", flipped(range(40)), 50.0)
    timed = recommend(TRUE.tolist(), [base, quick, slow], classes=CLASSES)
    assert timed.choice == "the probe"


@pytest.mark.parametrize(("ms", "choice"), [(100.0, "the neurons"), (100.1, "the base")])
def test_a_switch_is_worth_a_fifth_of_the_time(ms: float, choice: str) -> None:
    slow, fast = contestant("base", 0.9, ms=120.0), contestant("neurons", 0.9, ms=ms)
    assert recommend(TRUE.tolist(), [slow, fast], classes=CLASSES).choice == choice


def test_a_simple_one_that_was_not_timed_is_not_given_up_for_speed() -> None:
    unknown, fast = contestant("base", 0.9), contestant("neurons", 0.9, ms=1.0)
    assert recommend(TRUE.tolist(), [unknown, fast], classes=CLASSES).choice == "the base"


def test_guessing_is_one_of_as_many_labels_as_occur() -> None:
    truth = np.array(["a", "b", "c"])[np.arange(300) % 3]
    wrong = np.array(["a", "b", "c"])[(np.arange(300) + 1) % 3]
    given = np.where(np.arange(300) < 135, truth, wrong).tolist()
    found = recommend(truth.tolist(), [Contestant("it", "base", given)], classes=["a", "b", "c"])
    assert found.choice == "it"
    two = np.where(np.arange(N) < 180, TRUE, np.where(TRUE == "no", "yes", "no")).tolist()
    assert recommend(TRUE.tolist(), [Contestant("it", "base", two)], classes=CLASSES).choice is None


def test_a_lead_on_few_pictures_is_no_clear_lead() -> None:
    """Forty questions on each of ten pictures; all that is gained is on one of them."""
    base = Contestant("the base", "base", flipped(range(60)))
    ours = Contestant("the neurons", "neurons", flipped(range(40, 60)))
    pictures = np.repeat(np.arange(10), 40).tolist()
    alone = recommend(TRUE.tolist(), [base, ours], classes=CLASSES)
    grouped = recommend(TRUE.tolist(), [base, ours], classes=CLASSES, groups=pictures)
    assert (alone.choice, grouped.choice) == ("the neurons", "the base")
    assert grouped.behind_best["the base"].interval[0] <= 0


def test_the_sentence_says_what_was_reached_with_its_interval() -> None:
    found = recommend(TRUE.tolist(), [contestant("lens", 0.9)], classes=CLASSES)
    low, high = score(
        TRUE.tolist(), contestant("lens", 0.9).predicted, classes=CLASSES
    ).balanced_accuracy_interval
    assert found.sentence == (
        "Use the lens: it reaches a balanced accuracy of 90.0 % (95 %: "
        f"{100 * low:.1f} to {100 * high:.1f})."
    )


def test_a_text_only_classifier_is_never_the_one_that_others_are_behind() -> None:
    found = recommend(
        TRUE.tolist(), [contestant("text", 0.99), contestant("base", 0.9)], classes=CLASSES
    )
    assert found.behind_best["the text"].difference < 0
    assert found.choice is None
