from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_hub import FakeHub, Repo, fake_hub
from pictures import bright_records
from superneurons.errors import ArtefactError
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.hub import artefact_directory, forget, located
from superneurons.shortcut.lock import artefact_digest
from superneurons.vlm.model import VLM

NAME = "some-owner/some-classifier"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache") as hub:
        hub.repos[NAME] = Repo()
        yield hub
    forget(NAME)


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "clf"
    SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(12)).save_pretrained(directory)
    return directory


def parts(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_it_answers_as_from_a_directory_and_knows_its_commit(
    hub: FakeHub, saved: Path, llava: VLM
) -> None:
    commit = hub.repos[NAME].commit(parts(saved))
    records = bright_records(4, seed=5)
    ours = SuperNeuronClassifier.from_pretrained(saved, llava)
    theirs = SuperNeuronClassifier.from_pretrained(NAME, llava)
    assert theirs.predict_proba(records).tolist() == ours.predict_proba(records).tolist()
    assert theirs.commit_ == commit
    assert ours.commit_ is None


def test_a_cascade_too(hub: FakeHub, llava: VLM, tmp_path: Path) -> None:
    fitted = Cascade(llava, layers=(1, 2)).fit(bright_records(60))
    fitted.save_pretrained(tmp_path / "cascade")
    commit = hub.repos[NAME].commit(parts(tmp_path / "cascade"))
    loaded = Cascade.from_pretrained(f"{NAME}@{commit}", llava)
    records = bright_records(4, seed=5)
    assert loaded.predict(records).tolist() == fitted.predict(records).tolist()
    assert loaded.commit_ == commit


def test_a_revision_said_either_way_is_the_classifiers_own(
    hub: FakeHub, saved: Path, llava: VLM
) -> None:
    old = hub.repos[NAME].commit(parts(saved))
    hub.repos[NAME].refs["v1"] = old
    hub.repos[NAME].commit({"config.json": b"{}"})
    for loaded in (
        SuperNeuronClassifier.from_pretrained(NAME, llava, revision="v1"),
        SuperNeuronClassifier.from_pretrained(f"{NAME}@v1", llava),
    ):
        assert loaded.commit_ == old
        assert loaded.revision is None
    with pytest.raises(ArtefactError, match="no classifier"):
        SuperNeuronClassifier.from_pretrained(NAME, llava)


def test_of_a_directory_the_revision_is_the_base_models(saved: Path, llava: VLM) -> None:
    assert located(saved, {"revision": "v1"}).params == {"revision": "v1"}
    loaded = SuperNeuronClassifier.from_pretrained(saved, llava, revision="v1")
    assert loaded.revision == "v1"


def test_a_directory_wins(
    hub: FakeHub, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some-owner").mkdir()
    saved.rename(tmp_path / NAME)
    try:
        assert read_config(Path(NAME))["labels"] == ["no", "yes"]
        assert artefact_directory(NAME) == Path(NAME)
    finally:
        (tmp_path / NAME).rename(saved)
    assert hub.asked == []


def test_what_was_read_is_what_is_loaded_and_only_then_a_newer_one(
    hub: FakeHub, saved: Path
) -> None:
    first = hub.repos[NAME].commit(parts(saved))
    read_config(Path(NAME))
    newer = hub.repos[NAME].commit({"README.md": b"newer"})
    asked = len(hub.asked)
    read_config(Path(NAME))
    assert artefact_digest(Path(NAME)) == artefact_digest(saved)
    assert located(NAME, {}).commit == first
    assert len(hub.asked) == asked
    assert located(NAME, {}).commit == newer


def test_who_pushes_lets_go_of_older_commits(hub: FakeHub, saved: Path) -> None:
    hub.repos[NAME].commit(parts(saved))
    artefact_directory(NAME)
    newer = hub.repos[NAME].commit({"README.md": b"newer"})
    forget("some-owner/another")
    forget(NAME)
    assert artefact_directory(NAME).name == newer
