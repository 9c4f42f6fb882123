"""What a lock file has to look like."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from locks import locked, locked_cascade
from superneurons.errors import ArtefactError
from superneurons.shortcut.lock import Lock, write_lock
from superneurons.shortcut.lock_schema import check_lock


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("locks") / "x.lock"
    write_lock(Lock({"bright": locked(), "dark": locked(), "steps": locked_cascade()}), path)
    found: dict[str, Any] = json.loads(path.read_text())
    check_lock(found, "x.lock")
    return found


def problems(found: Any) -> list[str]:
    with pytest.raises(ArtefactError) as caught:
        check_lock(found, "x.lock")
    return [f"{problem.where}: {problem.what}" for problem in caught.value.problems]


def changed(found: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one field changed; ``...`` takes it away."""
    copied: Any = copy.deepcopy(found)
    *outer, name = path.split(".")
    holder = copied
    for part in outer:
        holder = holder[int(part) if isinstance(holder, list) else part]
    key = int(name) if isinstance(holder, list) else name
    if value is ...:
        del holder[key]
    else:
        holder[key] = value
    return copied


_ONE = "classifiers.bright"
_WRONG: dict[str, list[Any]] = {
    "artefact": ["", "A" * 64, "a" * 63, None, 1],
    "base_model": [None, []],
    "base_model.name": [None, 3],
    "base_model.revision": [3, False],
    "base_model.fingerprint": ["f", None],
    "base_model.processor": [{}, "x" * 64],
    "prompt": [None, "p"],
    "versions": [[], {"torch": 2}],
    "question": [3, ["q"]],
    "labels": ["no", [1], ["no", "no"], None],
    "target_accuracy": [2, -1, "0.9", True, None],
    "threshold": [1.01, -0.1, None, "0.5", float("nan"), float("inf")],
    "met": [1, None, "true"],
    "chose": [-1, 1.5, True, 2**60],
    "accuracy": [None, 0.9],
    "accuracy.hits": [-1, 1.5, None],
    "accuracy.effective": [-1, "40", float("inf")],
    "accuracy.interval": [[0.1], [0.9, 0.1], [-1, 1], [0, 2], ["0", 1], None, [False, 1]],
    "escalated.n": [None, True],
    "reference": [None, []],
    "reference.label": [[1.5], [-1, 2], "ab", None],
    "reference.confidence": [[], [1, 2], [0] * 99],
    "reference.aspect": [None, [0.5] * 9],
}


@pytest.mark.parametrize("path", _WRONG)
def test_every_field_is_needed_and_of_its_kind(right: dict[str, Any], path: str) -> None:
    for value in [..., *_WRONG[path]]:
        found = problems(changed(right, f"{_ONE}.{path}", value))
        assert found, value
        assert all(line.startswith(f"x.lock: {_ONE}.{path}") for line in found), found


_CASCADE = "classifiers.steps"
_WRONG_STAGES: dict[str, list[Any]] = {
    "stages.0": [None, [], 1],
    "stages.0.layer": [..., 0, -1, 1.5, True, "1"],
    "stages.1.base_answer": [..., 0, None, "no"],
    "stages.2.threshold": [..., -0.1, "0.5", True, float("nan"), float("inf")],
    "stages.3.answered": [..., None, 0.5],
    "stages.3.answered.n": [..., -1, None],
    "stages.3.right.interval": [..., [0.9, 0.1], [0.1]],
    "stages.3.surplus": [1],
}


@pytest.mark.parametrize("path", _WRONG_STAGES)
def test_every_field_of_a_stage_is_needed_and_of_its_kind(right: dict[str, Any], path: str) -> None:
    for value in _WRONG_STAGES[path]:
        found = problems(changed(right, f"{_CASCADE}.{path}", value))
        assert found, value
        assert all(line.startswith(f"x.lock: {_CASCADE}.{path}") for line in found), found


@pytest.mark.parametrize("value", [None, {}, [], "stages"])
def test_stages_have_to_be_a_list_of_some(right: dict[str, Any], value: Any) -> None:
    found = problems(changed(right, f"{_CASCADE}.stages", value))
    assert found == [f"x.lock: {_CASCADE}.stages: is no list of stages"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("stages.0.layer", 4, "stages: layers [4, 2, 3, 4]"),
        ("stages.0.base_answer", True, "stages: the base model's answer isn't the last"),
        ("stages.3.threshold", 0.5, "threshold: the last stage"),
        ("stages.3.threshold", None, "threshold: the last stage"),
        ("threshold", 0.5, "threshold: the last stage"),
        ("stages.2.threshold", None, "stages.2.answered: with this threshold nothing"),
        ("stages.0.threshold", 0, "stages.3.answered: with this threshold nothing"),
        ("stages.2.answered.hits", 13, "stages.2.right: of 12, but it answers 13"),
        ("stages.2.answered.n", 41, "stages.2.answered: of 41, not 40"),
        ("stages.2.right.hits", 13, "stages.2.right: 13 of 12"),
        ("stages.2.right.hits", 8, "stages: 33 answers are right by them, 34 by all"),
        ("stages.3.right.interval", [0.1, 0.2], "stages.3.right.interval: 0.1 to 0.2 without"),
        ("answered_accuracy.hits", 17, "answered_accuracy.hits: the first exit has 18"),
    ],
)
def test_stages_that_contradict_each_other_are_refused(
    right: dict[str, Any], path: str, value: Any, told: str
) -> None:
    wrong = changed(right, f"{_CASCADE}.{path}", value)
    assert any(told in line for line in problems(wrong)), problems(wrong)


def test_two_stages_may_be_at_one_layer(right: dict[str, Any]) -> None:
    check_lock(changed(right, f"{_CASCADE}.stages.2.layer", 4), "x.lock")


def test_a_stage_that_is_gone_is_noticed(right: dict[str, Any]) -> None:
    found = problems(changed(right, f"{_CASCADE}.stages.2", ...))
    assert f"x.lock: {_CASCADE}.stages: 28 answers are given by them, 40 by all" in found


def test_all_problems_are_said_at_once(right: dict[str, Any]) -> None:
    wrong = changed(right, f"{_ONE}.threshold", 2)
    wrong = changed(wrong, "classifiers.dark.artefact", ...)
    wrong = changed(wrong, "classifiers.dark.surplus", 1)
    wrong = changed(wrong, "classifiers.other", [])
    wrong = changed(wrong, "also", {})
    assert sorted(problems(wrong)) == [
        "x.lock: also: is not known",
        "x.lock: classifiers.bright.threshold: is 2, not a number from 0 to 1",
        "x.lock: classifiers.dark.artefact: missing",
        "x.lock: classifiers.dark.surplus: is not known",
        "x.lock: classifiers.other: is no object",
    ]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("accuracy.hits", 41, "accuracy: 41 of 40"),
        ("accuracy.effective", 41.5, "accuracy: 34 of 40, of effective 41.5"),
        ("accuracy.interval", [0.9, 0.95], "accuracy.interval: 0.9 to 0.95 without 34 of 40"),
        ("escalated.hits", 11, "escalated: 11, but 30 of 40 were answered"),
        ("labels", ["no", "so", "yes"], "reference.label: 2 for 3 labels"),
        (
            "reference.confidence",
            [1] * 8,
            "reference.confidence: counts 8 of 30 that were answered",
        ),
        ("reference.label", [20, 21], "reference.label: counts 41 of 30 that were answered"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    right: dict[str, Any], path: str, value: Any, told: str
) -> None:
    assert any(told in line for line in problems(changed(right, f"{_ONE}.{path}", value)))


def test_a_picture_may_be_one_of_several_of_a_record(right: dict[str, Any]) -> None:
    twice = [2 * count for count in right["classifiers"]["bright"]["reference"]["side"]]
    check_lock(changed(right, f"{_ONE}.reference.side", twice), "x.lock")


@pytest.mark.parametrize("make", [lambda _: [], lambda _: None, lambda found: {"classifiers": {}}])
def test_something_else_is_no_lock(right: dict[str, Any], make: Callable[[Any], Any]) -> None:
    with pytest.raises(ArtefactError, match="no lock of superneurons"):
        check_lock(make(right), "x.lock")


@pytest.mark.parametrize("value", [0, "1", None, True, ...])
def test_another_format_is_refused(right: dict[str, Any], value: Any) -> None:
    assert any("format: is" in line for line in problems(changed(right, "format", value)))


def test_a_later_format_says_to_update(right: dict[str, Any]) -> None:
    with pytest.raises(ArtefactError, match="format 2") as caught:
        check_lock(changed(right, "format", 2), "x.lock")
    assert caught.value.mend == "Update superneurons."


def test_classifiers_have_to_be_an_object(right: dict[str, Any]) -> None:
    assert problems(changed(right, "classifiers", [])) == ["x.lock: classifiers: is no object"]
    check_lock(changed(right, "classifiers", {}), "x.lock")


def test_the_written_file_is_for_people_too(tmp_path: Path) -> None:
    write_lock(Lock({"hell": locked(question="Ist es größer?")}), tmp_path / "x.lock")
    assert "Ist es größer?" in (tmp_path / "x.lock").read_text(encoding="utf-8")
