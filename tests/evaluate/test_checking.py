"""A classifier beside its lock."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cascades import altered, going_on, without_stage
from pictures import bright_records, murky
from superneurons.errors import ArtefactError, DataError
from superneurons.evaluate.cascade_locking import lock_cascade
from superneurons.evaluate.checking import Checked, check_locked
from superneurons.evaluate.locking import lock_classifier
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.lock import Locked, Share
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def fitted(
    llava_path: Path, llava: VLM, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Locked]:
    path = tmp_path_factory.mktemp("checking") / "bright"
    SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(24)).save_pretrained(path)
    classifier = SuperNeuronClassifier.from_pretrained(path, llava)
    return path, lock_classifier(classifier, path, bright_records(80, seed=3), target_accuracy=0.9)


@pytest.fixture
def checked(fitted: tuple[Path, Locked], llava: VLM) -> Callable[..., Checked]:
    def run(records: Any = None, directory: Path | None = None, **changed: Any) -> Checked:
        records = bright_records(40, seed=9) if records is None else records
        lock = replace(fitted[1], **changed)
        return check_locked(lock, directory or fitted[0], records, model=llava)

    return run


def found(result: Checked) -> list[str]:
    return [finding.what for finding in result.findings]


def test_what_is_as_it_was_locked_holds(checked: Callable[..., Checked]) -> None:
    result = checked()
    assert result.holds, found(result)
    assert set(result.shares) == {"accuracy", "answered_accuracy", "escalated"}
    assert result.shares["accuracy"].found.n == 40
    assert result.versions == {}


def test_worse_answers_are_found(checked: Callable[..., Checked]) -> None:
    other = {"yes": "no", "no": "yes"}
    records = [
        replace(r, label=other[str(r.label)] if i % 3 == 0 else r.label)
        for i, r in enumerate(bright_records(40, seed=9))
    ]
    result = checked(records)
    assert set(found(result)) == {"accuracy", "answered_accuracy"}
    assert "locked at 100.0%" in str(result.findings[0])
    assert "now 65.0% of 40" in str(result.findings[0])


def test_better_answers_are_found_too(checked: Callable[..., Checked]) -> None:
    poor = Share(20, 40, 40.0, (0.35, 0.65))
    assert found(checked(accuracy=poor)) == ["accuracy"]


def test_a_share_of_answers_that_go_on_is_found(checked: Callable[..., Checked]) -> None:
    half = Share(20, 40, 40.0, (0.35, 0.65))
    result = checked(escalated=half)
    assert found(result) == ["escalated"]
    assert result.shares["escalated"].p_value < 0.01 / 3


def test_nothing_is_said_of_answers_where_none_are_given(checked: Callable[..., Checked]) -> None:
    result = checked(answered_accuracy=Share(0, 0, 0.0, (0.0, 1.0)))
    assert result.holds
    assert result.shares["answered_accuracy"].p_value == 1


def test_a_stricter_level_says_less(fitted: tuple[Path, Locked], llava: VLM) -> None:
    lock = replace(fitted[1], accuracy=Share(33, 40, 40.0, (0.6, 0.99)))
    records = bright_records(40, seed=9)
    loose, strict = (
        check_locked(lock, fitted[0], records, level=level, model=llava) for level in (0.1, 0.001)
    )
    assert (found(loose), found(strict)) == (["accuracy"], [])


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"artefact": "0" * 64}, "artefact"),
        ({"prompt": "0" * 64}, "prompt"),
        ({"labels": ("no", "so", "yes")}, "labels"),
        ({"fingerprint": "0" * 64}, "base_model.fingerprint"),
        ({"processor": "0" * 64}, "base_model.processor"),
        ({"dtype": "float16"}, "base_model.dtype"),
        ({"revision": "abc"}, "base_model.revision"),
    ],
)
def test_another_identity_is_found(
    checked: Callable[..., Checked], fitted: tuple[Path, Locked], changed: Any, what: str
) -> None:
    base = fitted[1].base_model
    if set(changed) <= set(base):
        changed = {"base_model": {**base, **changed}}
    assert found(checked(**changed)) == [what]


def test_a_classifier_that_was_fitted_anew_is_another(
    checked: Callable[..., Checked], llava: VLM, tmp_path: Path
) -> None:
    again = SuperNeuronClassifier(llava, max_layer=2, prompt_order="question-first")
    again.fit(bright_records(24)).save_pretrained(tmp_path / "bright")
    assert {"artefact", "prompt"} <= set(found(checked(directory=tmp_path / "bright")))


def test_on_another_model_nothing_is_measured(
    checked: Callable[..., Checked], fitted: tuple[Path, Locked], tmp_path: Path
) -> None:
    config = json.loads((fitted[0] / "config.json").read_text())
    config["base_model"]["fingerprint"] = "0" * 64
    config["base_model"]["processor"]["size"] = 7
    for part in fitted[0].iterdir():
        (tmp_path / part.name).write_bytes(part.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = checked(directory=tmp_path)
    assert set(found(result)) == {"artefact", "base_model.fingerprint", "base_model.processor"}
    assert len(result.findings) == 3
    assert result.shares == {}


def test_a_model_at_another_commit_is_one_finding_and_no_warning(
    fitted: tuple[Path, Locked], llava: VLM
) -> None:
    lock = replace(fitted[1], base_model={**fitted[1].base_model, "revision": "abc"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = check_locked(lock, fitted[0], bright_records(12), model=llava)
    assert str(result.findings[0]) == "base_model.revision: locked at abc, now None"


def test_other_versions_are_told_and_no_drift(checked: Callable[..., Checked]) -> None:
    result = checked(versions={"torch": "1.0", "no-such-package": "1"})
    assert result.holds
    assert result.versions["torch"][0] == "1.0"
    assert result.versions["no-such-package"] == ("1", "none")


def test_the_same_as_json(checked: Callable[..., Checked]) -> None:
    plain = json.loads(json.dumps(checked(artefact="0" * 64).as_dict()))
    assert plain["holds"] is False
    assert plain["findings"][0]["what"] == "artefact"
    assert plain["shares"]["accuracy"]["found"]["value"] == 1
    assert plain["level"] == 0.01


@pytest.mark.parametrize("level", [0, 1, -0.1, float("nan")])
def test_a_level_that_is_none_is_refused(
    fitted: tuple[Path, Locked], llava: VLM, level: float
) -> None:
    with pytest.raises(DataError, match="level"):
        check_locked(fitted[1], fitted[0], bright_records(4), level=level, model=llava)


@pytest.fixture(scope="module")
def steps(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Locked]:
    """A cascade of three stages, all of which answer some of the records."""
    path = tmp_path_factory.mktemp("checking") / "steps"
    going_on(llava, murky(48)).save_pretrained(path)
    cascade = Cascade.from_pretrained(path, llava)
    return path, lock_cascade(cascade, path, murky(80, seed=3))


@pytest.fixture
def checked_steps(steps: tuple[Path, Locked], llava: VLM) -> Callable[..., Checked]:
    def run(records: Any = None, directory: Path | None = None, **changed: Any) -> Checked:
        records = murky(60, seed=9) if records is None else records
        lock = replace(steps[1], **changed)
        return check_locked(lock, directory or steps[0], records, model=llava)

    return run


def test_a_cascade_that_is_as_it_was_locked_holds(checked_steps: Callable[..., Checked]) -> None:
    result = checked_steps()
    assert result.holds, found(result)
    assert list(result.shares) == [
        "accuracy", "answered_accuracy", "escalated", "stages.1.answered",
    ]  # fmt: skip
    assert result.shares["stages.1.answered"].found.n == 60
    assert 0 < result.shares["stages.1.answered"].found.hits < 60


def test_on_the_very_records_of_the_lock_a_cascade_gives_the_same_shares(
    checked_steps: Callable[..., Checked],
) -> None:
    result = checked_steps(murky(80, seed=3))
    assert all(now.found == now.locked and now.p_value == 1 for now in result.shares.values())


def test_wrong_labels_are_found_of_a_cascade(checked_steps: Callable[..., Checked]) -> None:
    other = {"yes": "no", "no": "yes"}
    records = [replace(r, label=other[str(r.label)]) for r in murky(60, seed=9)]
    result = checked_steps(records)
    assert "accuracy" in found(result)
    assert {"escalated", "stages.1.answered"}.isdisjoint(found(result)), "pictures are the same"


def test_pictures_that_go_on_more_often_are_found(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked]
) -> None:
    result = checked_steps(bright_records(60, seed=9))
    first = steps[1].escalated.value
    assert 0.3 < first < 0.7
    assert "escalated" in found(result), "clear pictures stop at the first exit"
    assert result.shares["escalated"].found.value < first


def test_a_share_between_the_stages_is_found(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked]
) -> None:
    first, second, base = steps[1].stages
    none, all_ = Share(0, 80, 80.0, (0.0, 0.05)), Share(80, 80, 80.0, (0.95, 1.0))
    stages = (first, replace(second, answered=none), base)
    result = checked_steps(stages=stages)
    assert found(result) == ["stages.1.answered"]
    assert "locked at 0.0%" in str(result.findings[0])
    assert found(checked_steps(stages=(first, replace(second, answered=all_), base))) == [
        "stages.1.answered"
    ]
    assert result.shares["stages.1.answered"].p_value < 0.01 / 4


def test_thresholds_that_were_changed_are_found_and_what_came_of_it(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], tmp_path: Path
) -> None:
    def change(_: Any, tensors: Any) -> None:
        tensors["thresholds"][0] = 0.01

    result = checked_steps(directory=altered(steps[0], tmp_path / "steps", change))
    assert found(result)[:2] == ["artefact", "stages.0.threshold"]
    assert {"escalated", "stages.1.answered"} <= set(found(result)), "nothing goes on now"
    assert result.shares["escalated"].found.hits == 0


def test_a_threshold_with_which_less_of_the_model_runs_leaves_nothing_to_measure(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], tmp_path: Path
) -> None:
    def change(_: Any, tensors: Any) -> None:
        tensors["thresholds"][0] = 0.0  # then later stages never run: another fingerprint

    result = checked_steps(directory=altered(steps[0], tmp_path / "steps", change))
    assert found(result) == ["artefact", "stages.0.threshold", "base_model.fingerprint"]
    assert result.shares == {}


def test_a_cascade_that_lost_a_stage_is_found_and_measured(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], tmp_path: Path
) -> None:
    lost = altered(steps[0], tmp_path / "steps", without_stage)
    result = checked_steps(directory=lost)
    assert found(result)[:2] == ["artefact", "stages"]
    assert list(result.shares) == ["accuracy", "answered_accuracy", "escalated"]


def test_a_cascade_that_was_altered_is_found_if_only_by_its_files(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], tmp_path: Path
) -> None:
    def change(config: Any, _: Any) -> None:
        config["probing_set"]["records"] += 1

    assert found(checked_steps(directory=altered(steps[0], tmp_path / "a", change))) == ["artefact"]


def test_a_cascade_that_is_broken_cannot_be_checked(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], tmp_path: Path
) -> None:
    def change(config: Any, _: Any) -> None:
        del config["stages"][1]

    with pytest.raises(ArtefactError):
        checked_steps(directory=altered(steps[0], tmp_path / "steps", change))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"prompt": "0" * 64}, "prompt"),
        ({"processor": "0" * 64}, "base_model.processor"),
        ({"revision": "abc"}, "base_model.revision"),
        ({"fingerprint": "0" * 64}, "base_model.fingerprint"),
    ],
)
def test_another_identity_of_a_cascade_is_found(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], changed: Any, what: str
) -> None:
    base = steps[1].base_model
    if set(changed) <= set(base):
        changed = {"base_model": {**base, **changed}}
    assert found(checked_steps(murky(12, seed=9), **changed)) == [what]


def test_a_cascade_in_the_place_of_a_classifier_is_found_and_not_measured(
    checked: Callable[..., Checked],
    checked_steps: Callable[..., Checked],
    fitted: tuple[Path, Locked],
    steps: tuple[Path, Locked],
) -> None:
    for result in (checked(directory=steps[0]), checked_steps(directory=fitted[0])):
        assert {"kind", "artefact"} <= set(found(result))
        assert result.shares == {}
    assert str(checked(directory=steps[0]).findings[0]) == (
        "kind: locked with a classifier with one exit, now a cascade"
    )


def test_on_another_model_a_cascade_is_not_measured(
    checked_steps: Callable[..., Checked], steps: tuple[Path, Locked], tmp_path: Path
) -> None:
    def change(config: Any, _: Any) -> None:
        config["base_model"]["fingerprint"] = "0" * 64

    result = checked_steps(directory=altered(steps[0], tmp_path / "steps", change))
    assert found(result) == ["artefact", "base_model.fingerprint"]
    assert result.shares == {}
