from __future__ import annotations

import json

import numpy as np
import pytest

from pictures import bright_records
from superneurons.errors import DataError
from superneurons.evaluate.robustness.seed_scores import seed_difference, seed_scores
from superneurons.evaluate.robustness.transfer import transfers
from superneurons.task.record import Record

LABELS = ("no", "yes")
TESTS = [bright_records(20, seed) for seed in range(3)]
RIGHT = [str(record.label) for record in TESTS[0]]
WRONG = ["no" if label == "yes" else "yes" for label in RIGHT]


def answers(share: float, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [w if rng.random() < share else r for r, w in zip(RIGHT, WRONG, strict=True)]


def given(wrong_beside: float) -> dict[tuple[str, int, int], list[list[str]]]:
    """Right on the diagonal, and beside it wrong to a share; two seeds."""
    return {
        ("it", fitted, tested): [
            answers(wrong_beside if fitted != tested else 0.0, 9 * fitted + 3 * tested + seed)
            for seed in (0, 1)
        ]
        for fitted in range(3)
        for tested in range(3)
    }


def test_means_are_those_over_all_pairs() -> None:
    made = given(0.3)
    (mean,) = transfers(TESTS, made, LABELS)
    assert mean.way == "it"
    assert mean.anew.balanced_accuracy == 1
    beside = [
        seed_scores(TESTS[tested], said, labels=LABELS).balanced_accuracy
        for (_, fitted, tested), said in made.items()
        if fitted != tested
    ]
    assert mean.taken_over.balanced_accuracy == pytest.approx(np.mean(beside))
    assert mean.loss.difference == pytest.approx(np.mean(beside) - 1)
    assert mean.loss.interval[1] < 0
    assert mean.anew.n == 60
    assert (len(mean.anew.by_seed), len(mean.taken_over.by_seed)) == (2, 4)


def test_who_answers_alike_loses_nothing() -> None:
    (mean,) = transfers(TESTS, given(0.0), LABELS)
    assert (mean.loss.difference, mean.loss.interval) == (0, (0, 0))


def test_all_pairs_at_once_are_surer_than_one() -> None:
    made = given(0.3)
    (mean,) = transfers(TESTS, made, LABELS)
    alone = seed_difference(TESTS[0], made["it", 1, 0], made["it", 0, 0], labels=LABELS)
    assert np.ptp(mean.loss.interval) < np.ptp(alone.interval)


def test_the_same_pictures_in_other_words_make_nothing_surer() -> None:
    """Three times the same records and answers: drawn together, as they share pictures."""
    same: list[list[Record]] = [TESTS[0]] * 3
    each = answers(0.4, 5)
    made = {("it", f, t): [each if f != t else RIGHT] for f in range(3) for t in range(3)}
    (mean,) = transfers(same, made, LABELS)
    alone = seed_difference(TESTS[0], [each], [RIGHT], labels=LABELS)
    assert mean.loss.difference == pytest.approx(alone.difference)
    assert np.ptp(mean.loss.interval) == pytest.approx(np.ptp(alone.interval), rel=0.3)


def test_ways_keep_their_order() -> None:
    made = given(0.1)
    two = {**made, **{("that", f, t): said for (_, f, t), said in made.items()}}
    assert [mean.way for mean in transfers(TESTS, two, LABELS)] == ["it", "that"]


def test_it_is_json() -> None:
    (mean,) = transfers(TESTS, given(0.1), LABELS)
    made = mean.as_dict()
    assert json.loads(json.dumps(made)) == made


def test_without_answers_there_is_nothing_to_average() -> None:
    none: dict[tuple[str, int, int], list[list[str]]] = {
        ("it", f, t): [] for f in range(3) for t in range(3)
    }
    with pytest.raises(DataError, match="no answers"):
        transfers(TESTS, none, LABELS)
