"""Locking whatever was fitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascades import going_on
from pictures import murky
from superneurons.errors import ArtefactError, DataError
from superneurons.evaluate.cascade_locking import lock_cascade
from superneurons.evaluate.estimator_locking import TARGET, check_wanted, lock_estimator
from superneurons.evaluate.locking import lock_classifier
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def one_exit(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("any") / "one"
    SuperNeuronClassifier(llava, max_layer=2).fit(murky(48)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def steps(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("any") / "steps"
    going_on(llava, murky(48)).save_pretrained(path)
    return path


def test_a_classifier_is_locked_on_one_half(one_exit: Path, llava: VLM) -> None:
    fitted, records = SuperNeuronClassifier.from_pretrained(one_exit, llava), murky(40, seed=3)
    found = lock_estimator(fitted, one_exit, records, target_accuracy=0.7, seed=2)
    expected = lock_classifier(fitted, one_exit, records, target_accuracy=0.7, seed=2)
    assert found == expected
    assert (found.chose, found.stages) == (20, ())
    assert lock_estimator(fitted, one_exit, records).target_accuracy == TARGET


def test_a_cascade_is_locked_on_all(steps: Path, llava: VLM) -> None:
    fitted, records = Cascade.from_pretrained(steps, llava), murky(40, seed=3)
    told: list[int] = []
    found = lock_estimator(fitted, steps, records, progress=lambda done, _: told.append(done))
    assert found == lock_cascade(fitted, steps, records)
    assert found.accuracy.n == told[-1] == 40


def test_a_cascade_has_a_target_of_its_own(steps: Path, one_exit: Path, llava: VLM) -> None:
    fitted = Cascade.from_pretrained(steps, llava)
    with pytest.raises(DataError, match="the target that it was fitted for"):
        lock_estimator(fitted, steps, murky(12), target_accuracy=0.9)
    check_wanted(steps, None)
    check_wanted(one_exit, 0.9)


def test_targets_that_are_none_are_refused_of_either(steps: Path, one_exit: Path) -> None:
    for directory in (steps, one_exit):
        with pytest.raises(DataError, match="The target is 0"):
            check_wanted(directory, 0)


def test_what_is_not_there_has_no_target(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no classifier"):
        check_wanted(tmp_path, 0.9)
