"""Locks as files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from locks import locked, locked_cascade
from superneurons.errors import ArtefactError, DataError, OutputError
from superneurons.shortcut.hub_fetch import PARTS
from superneurons.shortcut.lock import (
    Lock,
    Locked,
    Share,
    artefact_digest,
    locked_there,
    read_lock,
    settings_digest,
    write_lock,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "superneurons.lock"


def test_a_lock_that_was_written_is_read_as_it_was(path: Path) -> None:
    options = locked(
        labels=(), question=None, threshold=1.0, met=False,
        answered_accuracy=Share(0, 0, 0.0, (0.0, 1.0)), escalated=Share(40, 40, 40.0, (0.9, 1.0)),
        reference={**locked().reference, "label": (), "confidence": (0,) * 8},
    )  # fmt: skip
    lock = Lock({"bright": locked(), "options": options})
    write_lock(lock, path)
    assert read_lock(path) == lock
    assert read_lock(path).classifiers["bright"].live == ()
    assert read_lock(path).threshold("bright") == 0.75
    assert read_lock(path).threshold("options") == 1.0
    assert read_lock(path).threshold("other") is None


def test_the_same_measurements_are_the_same_bytes_in_any_order(path: Path) -> None:
    one, other = locked(), locked(threshold=0.5)
    write_lock(Lock({"a": one, "b": other}), path)
    written = path.read_bytes()
    write_lock(Lock({"b": other, "a": one}), path)
    assert path.read_bytes() == written
    assert list(path.parent.iterdir()) == [path]


def test_a_cascade_is_read_as_it_was_written_beside_a_classifier(path: Path) -> None:
    lock = Lock({"bright": locked(), "steps": locked_cascade()})
    write_lock(lock, path)
    assert read_lock(path) == lock
    assert read_lock(path).threshold("steps") == 0
    kept = json.loads(path.read_text())["classifiers"]
    assert [stage["threshold"] for stage in kept["steps"]["stages"]] == [0.8, None, 1.25, 0]
    assert "stages" not in kept["bright"], "versions that know no stages read it still"
    assert set(kept["steps"]) == {field.name for field in fields(Locked)}


def test_a_lock_written_before_there_were_stages_is_read(path: Path) -> None:
    write_lock(Lock({"bright": locked()}), path)
    body = json.loads(path.read_text())
    assert body["format"] == 1
    assert set(body["classifiers"]["bright"]) == {
        "artefact", "base_model", "prompt", "versions", "question", "labels", "target_accuracy",
        "threshold", "met", "chose", "accuracy", "answered_accuracy", "escalated", "reference",
    }  # fmt: skip
    written = path.read_bytes()
    write_lock(read_lock(path), path)
    assert path.read_bytes() == written


def test_stages_that_never_answer_or_are_never_reached_are_not_live() -> None:
    cascade = locked_cascade()
    assert cascade.live == (0, 2, 3)
    first, second, third, base = cascade.stages
    always = replace(third, threshold=0.0)
    assert replace(cascade, stages=(first, second, always, base)).live == (0, 2)
    assert [str(stage) for stage in cascade.stages] == [
        "layer 1", "layer 2", "layer 3", "the base model's answer",
    ]  # fmt: skip


def test_a_classifier_that_is_not_in_it_is_named_with_those_that_are(path: Path) -> None:
    with pytest.raises(DataError, match="no 'dark'") as caught:
        Lock({"bright": locked()}).locked("dark")
    assert "'bright'" in str(caught.value.mend)


def test_a_share_of_nothing_is_nothing() -> None:
    assert Share(0, 0, 0.0, (0.0, 1.0)).value == 0
    assert Share(3, 4, 4.0, (0.1, 1.0)).value == 0.75


@pytest.mark.parametrize("content", [None, b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[1]", b"{}"])
def test_what_is_no_lock_is_refused(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        read_lock(path)
    assert caught.value.where == str(path)
    assert "superneurons lock" in str(caught.value.mend)


def test_others_in_a_lock_are_kept_and_none_is_replaced_unasked(path: Path) -> None:
    assert locked_there(path, "bright") == {}
    assert list(path.parent.iterdir()) == [], "it was only tried whether it can be written"
    write_lock(Lock({"bright": locked()}), path)
    assert locked_there(path, "dark") == {"bright": locked()}
    with pytest.raises(OutputError, match="says already what 'bright'"):
        locked_there(path, "bright")
    assert set(locked_there(path, "bright", overwrite=True)) == {"bright"}


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        locked_there(tmp_path / "file" / "x.lock", "bright")


def test_an_artefact_is_its_configuration_and_what_was_learnt(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ArtefactError, match="no classifier"):
        artefact_digest(tmp_path)
    (tmp_path / "classifier.safetensors").write_bytes(b"1")
    first = artefact_digest(tmp_path)
    (tmp_path / "README.md").write_text("another card")
    assert artefact_digest(tmp_path) == first
    (tmp_path / "classifier.safetensors").write_bytes(b"2")
    second = artefact_digest(tmp_path)
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert len({first, second, artefact_digest(tmp_path)}) == 3


def test_settings_count_whatever_their_order() -> None:
    one = settings_digest({"size": {"height": 2, "width": 3}, "mean": [0.5]})
    assert one == settings_digest({"mean": [0.5], "size": {"width": 3, "height": 2}})
    assert one != settings_digest({"mean": [0.4], "size": {"width": 3, "height": 2}})


def test_a_digest_is_of_the_digests_of_the_parts_in_their_order(tmp_path: Path) -> None:
    for name in PARTS:
        (tmp_path / name).write_bytes(name.encode())
    parts = b"".join(hashlib.sha256(name.encode()).digest() for name in PARTS)
    assert artefact_digest(tmp_path) == hashlib.sha256(parts).hexdigest()


def test_settings_are_digested_as_json_with_sorted_names() -> None:
    text = '{"a": [0.5], "b": {"c": true, "d": null}}'
    found = settings_digest({"b": {"d": None, "c": True}, "a": [0.5]})
    assert found == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("thresholds", "live"),
    [((0.8, None), (0,)), ((None, 0.0), (1,)), ((0.0, 0.0, 0.9), (0,)), ((None, None), ()),
     ((1.5, 0.2, None, 0.0), (0, 1, 3))],
)  # fmt: skip
def test_live_stages_end_with_the_first_that_answers_all(
    thresholds: tuple[float | None, ...], live: tuple[int, ...]
) -> None:
    first = locked_cascade().stages[0]
    stages = tuple(replace(first, threshold=threshold) for threshold in thresholds)
    assert locked_cascade(stages=stages).live == live


def test_a_lock_of_nothing_says_so() -> None:
    with pytest.raises(DataError, match="no 'dark'") as caught:
        Lock({}).locked("dark")
    assert caught.value.mend == "It holds nothing."
    one = locked()
    assert Lock({"dark": one}).locked("dark") is one


def test_what_is_kept_is_text_that_people_can_read(path: Path) -> None:
    write_lock(Lock({"hell": locked(question="Ist es höher?")}), path)
    text = path.read_text(encoding="utf-8")
    assert "Ist es höher?" in text
    assert text.endswith("}\n")
    body = json.loads(text)
    assert list(body) == ["format", "kind", "classifiers"]
    kept = body["classifiers"]["hell"]
    assert kept["accuracy"] == {"hits": 34, "n": 40, "effective": 40.0, "interval": [0.7, 0.93]}
    assert kept["labels"] == ["no", "yes"]


def test_numbers_that_json_lacks_are_never_written(path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_lock(Lock({"a": locked(threshold=float("inf"))}), path)
    assert not path.exists()
