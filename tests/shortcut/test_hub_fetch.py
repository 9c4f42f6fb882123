from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from fake_hub import FakeHub, Repo, fake_hub
from superneurons.errors import ArtefactError
from superneurons.shortcut.hub_fetch import fetch
from superneurons.shortcut.hub_name import HubName

NAME = "some-owner/some-classifier"
ASKED = HubName(NAME)
FILES = {
    "config.json": b"{}",
    "classifier.safetensors": bytes(1000),
    "README.md": b"# A card",
    "pytorch_model.bin": b"\x80\x04pickled",
    "run.json": b"{}",
    "code.py": b"raise SystemExit",
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache") as hub:
        hub.repos[NAME] = Repo()
        yield hub


def names(directory: Path) -> set[str]:
    return {file.name for file in directory.iterdir()}


def test_only_the_files_of_a_classifier_are_downloaded(hub: FakeHub) -> None:
    commit = hub.repos[NAME].commit(FILES)
    directory, found = fetch(ASKED)
    assert found == commit
    assert names(directory) == {"config.json", "classifier.safetensors"}
    assert len(hub.downloads()) == 2
    assert names(fetch(ASKED, card=True)[0]) == {
        "config.json",
        "classifier.safetensors",
        "README.md",
    }
    assert not any("bin" in word or ".py" in word or "run" in word for word in hub.asked)


def test_a_card_may_be_missing(hub: FakeHub) -> None:
    hub.repos[NAME].commit(
        {name: FILES[name] for name in ("config.json", "classifier.safetensors")}
    )
    assert len(names(fetch(ASKED, card=True)[0])) == 2


def test_what_is_here_already_is_not_downloaded_again(hub: FakeHub) -> None:
    hub.repos[NAME].commit(FILES)
    assert fetch(ASKED) == fetch(ASKED)
    assert len(hub.downloads()) == 2


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"pytorch_model.bin": b"x"}, "pytorch_model.bin"),
        ({"config.json": b"{}", "model.safetensors": b"x"}, "config.json, model.safetensors"),
        ({f"{n}.txt": b"" for n in range(9)}, "0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more"),
        ({}, "it is empty"),
    ],
)
def test_something_else_is_refused_before_anything_is_downloaded(
    hub: FakeHub, files: dict[str, bytes], shown: str
) -> None:
    hub.repos[NAME].commit(files)
    with pytest.raises(ArtefactError, match="holds no classifier: it lacks") as caught:
        fetch(ASKED)
    assert shown in str(caught.value)
    assert hub.downloads() == []


def test_what_is_too_large_is_refused_by_its_size(hub: FakeHub) -> None:
    hub.repos[NAME].commit(FILES)
    hub.claims = {"config.json": 10**9, "classifier.safetensors": 10**10, "code.py": 10**12}
    with pytest.raises(ArtefactError, match="too large") as caught:
        fetch(ASKED)
    assert [problem.where for problem in caught.value.problems] == [
        f"{NAME}: config.json",
        f"{NAME}: classifier.safetensors",
    ]
    assert hub.downloads() == []


def test_a_broken_download_is_no_classifier_and_the_next_try_goes_on(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between its tries
    hub.repos[NAME].commit(FILES)
    hub.cut_after = {"classifier.safetensors": 300}
    with pytest.raises(ArtefactError, match="could not be fetched"):
        fetch(ASKED)
    hub.cut_after = {}
    directory, _ = fetch(ASKED)
    assert (directory / "classifier.safetensors").read_bytes() == FILES["classifier.safetensors"]


@pytest.mark.parametrize("how", ["offline", "down", "unplugged"])
def test_out_of_reach_the_last_known_commit_is_taken(
    hub: FakeHub, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.repos[NAME].commit(FILES)
    hub.repos[NAME].refs["v1"] = commit
    with pytest.raises(ArtefactError):
        fetch(HubName(NAME, "v2"))
    assert fetch(ASKED)[1] == commit
    assert fetch(HubName(NAME, commit))[1] == commit
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "down":
        hub.down = True
    else:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert fetch(HubName(NAME, commit))[1] == commit
    assert fetch(ASKED)[1] == commit
    with pytest.raises(ArtefactError, match="not in the local hub cache"):
        fetch(HubName("some-owner/another"))
