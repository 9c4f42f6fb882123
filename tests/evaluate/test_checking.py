"""A classifier beside its lock."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from superneurons.errors import DataError
from superneurons.evaluate.checking import Checked, check_locked
from superneurons.evaluate.locking import lock_classifier
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
