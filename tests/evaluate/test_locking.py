"""Choosing a threshold, and what is measured beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictures import bright_records, choices, murky
from superneurons.errors import DataError
from superneurons.evaluate.locking import (
    check_target,
    choose_threshold,
    identity_of,
    lock_classifier,
)
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.lock import Lock, artefact_digest, read_lock, write_lock
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def fitted(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VLM]:
    """Fitted on pictures that can hardly be told apart, some of them labelled wrongly."""
    path = tmp_path_factory.mktemp("locking") / "murky"
    SuperNeuronClassifier(llava, max_layer=2).fit(murky(60)).save_pretrained(path)
    return path, llava


@pytest.fixture
def classifier(fitted: tuple[Path, VLM]) -> SuperNeuronClassifier:
    return SuperNeuronClassifier.from_pretrained(*fitted)


def alone(n: int) -> np.ndarray:
    return np.arange(n)


def test_the_least_threshold_that_reaches_the_target_is_taken() -> None:
    sure = np.linspace(0.5, 1, 101)
    right = sure > 0.7
    threshold, met = choose_threshold(sure, right, alone(101), 0.9)
    assert met
    given = sure >= threshold
    assert right[given].mean() >= 0.9
    lower = sure >= threshold - 0.02
    assert right[lower].mean() < right[given].mean()
    assert threshold not in sure, "it is between two confidences"


def test_of_all_right_answers_all_are_given() -> None:
    sure = np.linspace(0.5, 1, 40)
    assert choose_threshold(sure, np.ones(40, bool), alone(40), 0.95) == (0.0, True)


@pytest.mark.parametrize(("n", "met"), [(18, False), (19, True)])
def test_a_target_takes_as_many_answers_as_tell_about_it(n: int, met: bool) -> None:
    found = choose_threshold(np.linspace(0.5, 1, n), np.ones(n, bool), alone(n), 0.95)
    assert found == ((0.0, True) if met else (1.0, False))


def test_copies_of_a_picture_are_one_answer() -> None:
    sure, right = np.linspace(0.5, 1, 40), np.ones(40, bool)
    assert choose_threshold(sure, right, alone(40), 0.95)[1]
    assert not choose_threshold(sure, right, alone(40) // 4, 0.95)[1]


def test_where_no_threshold_will_do_all_answers_go_on() -> None:
    rng = np.random.default_rng(0)
    sure, right = rng.uniform(0.5, 1, 200), rng.random(200) < 0.5
    assert choose_threshold(sure, right, alone(200), 0.95) == (1.0, False)


def test_equal_confidences_are_never_parted() -> None:
    sure = np.repeat([0.9, 0.6], 30)
    right = np.concatenate([np.ones(30, bool), np.arange(30) < 20])
    threshold, met = choose_threshold(sure, right, alone(60), 0.9)
    assert (threshold, met) == (pytest.approx(0.75), True)
    assert choose_threshold(sure, right[::-1], alone(60), 0.9) == (1.0, False)


def test_the_order_of_the_answers_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 120).round(2)
    right, groups = rng.random(120) < sure, rng.integers(0, 60, 120)
    order = rng.permutation(120)
    expected = choose_threshold(sure, right, groups, 0.8)
    assert choose_threshold(sure[order], right[order], groups[order], 0.8) == expected


def test_on_other_answers_a_chosen_threshold_mostly_holds() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(40):
        sure = rng.uniform(0.5, 1, 300)
        right = rng.random(300) < sure
        threshold, met = choose_threshold(sure, right, alone(300), 0.9)
        if met:
            others = rng.uniform(threshold, 1, 4000)
            held.append(others.mean() >= 0.9)  # calibrated: as often right as sure
    assert len(held) > 30
    assert np.mean(held) > 0.7


def test_a_lock_says_what_it_belongs_to_and_how_good_it_is(
    fitted: tuple[Path, VLM], classifier: SuperNeuronClassifier, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    found = lock_classifier(
        classifier, fitted[0], murky(60, seed=5), target_accuracy=0.7,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told[-1] == (60, 60)
    assert found.chose + found.accuracy.n == 60
    assert found.question == "Is it bright?"
    assert found.labels == ("no", "yes")
    assert found.escalated.n == found.accuracy.n
    assert found.answered_accuracy.n == found.accuracy.n - found.escalated.hits
    assert sum(found.reference["label"]) == found.answered_accuracy.n
    assert 0.4 < found.accuracy.value < 1
    write_lock(Lock({"murky": found}), tmp_path / "x.lock")
    assert read_lock(tmp_path / "x.lock").classifiers == {"murky": found}
    again = lock_classifier(classifier, fitted[0], murky(60, seed=5), target_accuracy=0.7)
    assert again == found


def test_groups_are_not_parted_by_the_halves(
    fitted: tuple[Path, VLM], classifier: SuperNeuronClassifier
) -> None:
    records = [replace(r, group=f"g{i // 6}") for i, r in enumerate(bright_records(48, seed=2))]
    found = lock_classifier(classifier, fitted[0], records, target_accuracy=0.5)
    assert found.chose % 6 == found.accuracy.n % 6 == 0
    assert found.accuracy.effective < found.accuracy.n


def test_the_identity_is_that_of_the_files(
    fitted: tuple[Path, VLM], classifier: SuperNeuronClassifier
) -> None:
    found = identity_of(classifier, fitted[0])
    assert found["artefact"] == artefact_digest(fitted[0])
    assert found["base_model"]["name"] == fitted[1].name
    assert (found["question"], found["labels"]) == ("Is it bright?", ("no", "yes"))
    assert set(found["versions"]) == {"superneurons", "torch", "transformers", "pillow"}


@pytest.mark.parametrize("target", [0, -1, 1.01, float("nan")])
def test_a_target_that_is_none_is_refused(target: float) -> None:
    with pytest.raises(DataError, match="The target is"):
        check_target(target)


def test_records_with_options_of_their_own_are_measured_too(llava: VLM, tmp_path: Path) -> None:
    SuperNeuronClassifier(llava, max_layer=2).fit(choices(36)).save_pretrained(tmp_path / "c")
    classifier = SuperNeuronClassifier.from_pretrained(tmp_path / "c", llava)
    found = lock_classifier(classifier, tmp_path / "c", choices(36, seed=4), target_accuracy=0.9)
    assert (found.labels, found.reference["label"]) == ((), ())
    assert sum(found.reference["confidence"]) == found.answered_accuracy.n
    assert sum(found.reference["side"]) == found.accuracy.n
    write_lock(Lock({"c": found}), tmp_path / "x.lock")
    assert read_lock(tmp_path / "x.lock").locked("c") == found
