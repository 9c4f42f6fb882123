"""The stages of a cascade beside those of its lock."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascades import altered, going_on, without_stage
from locks import locked_cascade
from pictures import murky
from superneurons.errors import ArtefactError
from superneurons.evaluate.stage_checking import moved_stages, stages_of
from superneurons.shortcut.cascade_artefact import read_cascade_config
from superneurons.shortcut.lock import Locked, LockedStage
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stages") / "steps"
    cascade = going_on(llava, murky(48))
    first, second, base = cascade.stages_
    cascade.stages_ = (replace(first, threshold=0.8), replace(second, threshold=1.25), base)
    cascade.save_pretrained(path)
    return path


@pytest.fixture
def lock() -> Locked:
    """As the saved one is: without the stage that never answers."""
    first, _, third, base = locked_cascade().stages
    return locked_cascade(stages=(first, third, base))


def test_the_same_stages_are_no_finding(saved: Path, lock: Locked) -> None:
    assert list(moved_stages(lock, saved)) == []


@pytest.mark.parametrize(
    ("number", "threshold", "told"),
    [(0, 0.75, "locked at 0.8, now 0.75 (layer 1)"), (1, math.inf, "locked at 1.25, now never")],
)
def test_another_threshold_is_found_where_it_is(
    saved: Path, lock: Locked, tmp_path: Path, number: int, threshold: float, told: str
) -> None:
    def change(_: Any, tensors: Any) -> None:
        tensors["thresholds"][number] = threshold

    (found,) = moved_stages(lock, altered(saved, tmp_path / "steps", change))
    assert found[0] == f"stages.{number}.threshold"
    assert told in found[1]


def test_every_threshold_that_moved_is_found(saved: Path, lock: Locked, tmp_path: Path) -> None:
    def change(_: Any, tensors: Any) -> None:
        tensors["thresholds"] = np.array([np.nextafter(0.8, 1), 0.0, 0.0])

    found = dict(moved_stages(lock, altered(saved, tmp_path / "steps", change)))
    assert set(found) == {"stages.0.threshold", "stages.1.threshold"}
    assert "now 0.8000000000000002" in found["stages.0.threshold"]


def test_a_lost_stage_is_found(saved: Path, lock: Locked, tmp_path: Path) -> None:
    lost = altered(saved, tmp_path / "steps", without_stage)
    assert len(read_cascade_config(lost)["stages"]) == 2
    assert dict(moved_stages(lock, lost)) == {
        "stages": "locked with layer 1, layer 3, the base model's answer; "
        "now layer 1, the base model's answer"
    }


def _half_gone(config: Any, _: Any) -> None:
    del config["stages"][1]


def test_a_cascade_that_is_broken_cannot_be_compared(
    saved: Path, lock: Locked, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError):
        list(moved_stages(lock, altered(saved, tmp_path / "steps", _half_gone)))


def test_shares_between_the_first_stage_and_the_last_are_compared(lock: Locked) -> None:
    found = stages_of(lock, lock.stages)
    assert found == {"stages.1.answered": (lock.stages[1].answered, lock.stages[1].answered)}
    whole = locked_cascade()
    assert list(stages_of(whole, whole.stages)) == ["stages.2.answered"], "one never answers"


@pytest.mark.parametrize(
    "change",
    [
        lambda stages: stages[:2],
        lambda stages: (stages[0], replace(stages[1], layer=2), stages[2]),
        lambda stages: (*stages[:2], replace(stages[2], base_answer=False)),
    ],
)
def test_other_stages_cannot_be_compared(
    lock: Locked, change: Callable[[tuple[LockedStage, ...]], tuple[LockedStage, ...]]
) -> None:
    assert stages_of(lock, change(lock.stages)) == {}
