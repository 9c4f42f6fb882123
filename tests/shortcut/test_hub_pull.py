from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_hub import FakeHub, Repo, fake_hub
from pictures import bright_records
from superneurons.errors import ArtefactError, OutputError
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.hub_name import HubName
from superneurons.shortcut.hub_pull import ORIGIN, check_readable, pull
from superneurons.shortcut.lock import artefact_digest
from superneurons.vlm.model import VLM

NAME = "some-owner/some-classifier"


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("saved") / "clf"
    SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(12)).save_pretrained(directory)
    return directory


@pytest.fixture
def hub(tmp_path: Path, saved: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache") as hub:
        hub.repos[NAME] = Repo()
        hub.repos[NAME].commit({file.name: file.read_bytes() for file in saved.iterdir()})
        yield hub


def test_a_copy_has_the_same_bytes_and_knows_where_it_is_from(
    hub: FakeHub, saved: Path, tmp_path: Path
) -> None:
    found = pull(NAME, tmp_path / "copy")
    commit = hub.repos[NAME].refs["main"]
    assert found.origin == HubName(NAME, commit)
    assert found.files == ("config.json", "classifier.safetensors", "README.md")
    assert artefact_digest(found.directory) == artefact_digest(saved)
    assert (found.directory / ORIGIN).read_text() == f"{NAME}@{commit}\n"
    assert sorted(file.name for file in found.directory.iterdir()) == sorted([*found.files, ORIGIN])
    assert not any(file.is_symlink() for file in found.directory.iterdir())


def test_by_revision(hub: FakeHub, tmp_path: Path) -> None:
    repo = hub.repos[NAME]
    repo.refs["v1"] = first = repo.refs["main"]
    repo.commit({"README.md": b"# A newer one"})
    assert pull(f"{NAME}@v1", tmp_path / "old").origin.revision == first
    assert pull(NAME, tmp_path / "old2", revision="v1").origin.revision == first
    assert pull(NAME, tmp_path / "new").origin.revision == repo.refs["main"] != first
    assert (tmp_path / "new" / "README.md").read_bytes() == b"# A newer one"


def test_without_a_card(hub: FakeHub, tmp_path: Path) -> None:
    del hub.repos[NAME].at("main")["README.md"]
    assert pull(NAME, tmp_path / "copy").files == ("config.json", "classifier.safetensors")


def test_what_is_there_is_replaced_only_when_allowed(hub: FakeHub, tmp_path: Path) -> None:
    pull(NAME, tmp_path / "copy")
    with pytest.raises(OutputError, match="exists already"):
        pull(NAME, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text("{}")
    pull(NAME, tmp_path / "copy", overwrite=True)
    assert check_readable(tmp_path / "copy")["labels"] == ["no", "yes"]


def test_something_else_is_never_replaced(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(OutputError, match="something other than a classifier"):
        pull(NAME, tmp_path / "thesis", overwrite=True)
    assert hub.asked == []


@pytest.mark.parametrize("file", ["config.json", "classifier.safetensors"])
def test_a_damaged_one_leaves_what_was_there(hub: FakeHub, tmp_path: Path, file: str) -> None:
    pull(NAME, tmp_path / "copy")
    before = artefact_digest(tmp_path / "copy")
    content = hub.repos[NAME].at("main")[file]
    hub.repos[NAME].commit({file: content[: len(content) // 2]})
    with pytest.raises(ArtefactError):
        pull(NAME, tmp_path / "copy", overwrite=True)
    assert artefact_digest(tmp_path / "copy") == before
    assert not list(tmp_path.glob(".copy.*"))


def test_a_broken_download_leaves_nothing(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.cut_after = {"classifier.safetensors": 10}
    with pytest.raises(ArtefactError, match="could not be fetched"):
        pull(NAME, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_place_that_cannot_be_written(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        pull(NAME, tmp_path / "file" / "copy")


@pytest.mark.parametrize("name", ["./clf", "clf", ""])
def test_what_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no name of the hub"):
        pull(name, tmp_path / "copy")


def test_a_cascade_is_read_as_one(llava: VLM, hub: FakeHub, tmp_path: Path) -> None:
    Cascade(llava, layers=(1, 2)).fit(bright_records(60)).save_pretrained(tmp_path / "cascade")
    assert check_readable(tmp_path / "cascade")["kind"] == "cascade"
    files = {file.name: file.read_bytes() for file in (tmp_path / "cascade").iterdir()}
    hub.repos[NAME].commit(files)
    assert check_readable(pull(NAME, tmp_path / "copy").directory)["kind"] == "cascade"
    config = json.loads(files["config.json"])
    config["stages"] = []
    hub.repos[NAME].commit({"config.json": json.dumps(config).encode()})
    with pytest.raises(ArtefactError, match="cascade"):
        pull(NAME, tmp_path / "another")
