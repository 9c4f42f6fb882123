"""From directories to a service: thresholds of a lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from superneurons.errors import MismatchError
from superneurons.serve.opening import locked
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.lock import Lock, Locked, Share, artefact_digest


@pytest.fixture
def directories(tmp_path: Path) -> list[Path]:
    made = []
    for name in ("bright", "shade"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
        (tmp_path / name / "classifier.safetensors").write_bytes(b"")
        made.append(tmp_path / name)
    return made


def lock_of(**thresholds: tuple[Path, float]) -> Lock:
    share = Share(9, 10, 10.0, (0.5, 1.0))
    common: dict[str, Any] = {
        "base_model": {}, "prompt": "", "versions": {}, "question": None, "labels": (),
        "target_accuracy": 0.9, "met": True, "chose": 10, "accuracy": share,
        "answered_accuracy": share, "escalated": share, "reference": {},
    }  # fmt: skip
    return Lock(
        {
            name: Locked(artefact=artefact_digest(path), threshold=threshold, **common)
            for name, (path, threshold) in thresholds.items()
        }
    )


def test_thresholds_come_from_the_lock_where_none_is_given(directories: list[Path]) -> None:
    bright, shade = directories
    lock = lock_of(bright=(bright, 0.8), shade=(shade, 0.7), other=(shade, 0.6))
    given = EngineSettings(thresholds={"bright": 0.95})
    assert locked(given, lock, directories).thresholds == {"bright": 0.95, "shade": 0.7}
    assert locked(EngineSettings(), lock, [bright]).thresholds == {"bright": 0.8}
    assert locked(given, Lock({}), directories) == given


def test_a_lock_of_other_classifiers_is_refused_with_all_of_them(directories: list[Path]) -> None:
    bright, shade = directories
    lock = lock_of(bright=(bright, 0.8), shade=(shade, 0.7))
    for path in directories:
        (path / "config.json").write_text("changed")
    with pytest.raises(MismatchError) as caught:
        locked(EngineSettings(), lock, directories)
    assert [problem.where for problem in caught.value.problems] == ["bright", "shade"]
