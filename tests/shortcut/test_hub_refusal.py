from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from fake_hub import TOKEN, FakeHub, Repo, fake_hub, log_in
from superneurons.errors import ArtefactError
from superneurons.shortcut.hub_fetch import fetch
from superneurons.shortcut.hub_name import HubName
from superneurons.shortcut.hub_refusal import not_had, refused, transport_errors

NAME = "some-owner/some-classifier"
FILES = {"config.json": b"{}", "classifier.safetensors": b"0"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", token=None) as hub:
        hub.repos[NAME] = Repo()
        hub.repos[NAME].commit(FILES)
        yield hub


def said(name: str = NAME, revision: str | None = None) -> str:
    with pytest.raises(ArtefactError) as caught:
        fetch(HubName(name, revision))
    assert caught.value.where == str(HubName(name, revision))
    return str(caught.value)


def test_there_is_none(hub: FakeHub) -> None:
    text = said("some-owner/another")
    assert "no directory 'some-owner/another' here" in text
    assert "hub has no repository" in text
    assert "superneurons fit --out" in text


def test_a_private_one_needs_a_token(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos[NAME].is_private = True
    assert "or it is private" in said()
    log_in(monkeypatch, "hf_of_somebody")
    assert "HF_TOKEN" in said()
    log_in(monkeypatch, TOKEN)
    assert len(list(fetch(HubName(NAME))[0].iterdir())) == 2


def test_a_gated_one_needs_consent(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos[NAME].is_gated = True
    text = said()
    assert "restricted (gated)" in text
    assert f"https://huggingface.co/{NAME}" in text
    log_in(monkeypatch, TOKEN)
    assert len(list(fetch(HubName(NAME))[0].iterdir())) == 2


def test_no_such_revision(hub: FakeHub) -> None:
    assert "has no revision 'v9'" in said(revision="v9")


def test_what_can_be_no_id(hub: FakeHub) -> None:
    assert "can be no hub id" in said("some--owner/a..b")


def test_offline(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = said()
    assert "offline mode is on (HF_HUB_OFFLINE=1)" in text
    assert "Unset HF_HUB_OFFLINE" in text
    assert hub.asked == []


def test_out_of_reach_it_says_why() -> None:
    error = not_had(HubName(NAME, "v1"), OSError("the wire is cut\nin two"))
    assert "(the wire is cut)" in error.what
    assert error.where == f"{NAME}@v1"
    assert "(OSError)" in not_had(HubName(NAME), OSError()).what


def test_what_the_hub_did_not_say_is_no_refusal() -> None:
    assert refused(HubName(NAME), OSError("the wire is cut")) is None


def test_errors_of_either_client_are_known() -> None:
    kinds = transport_errors()
    assert issubclass(HfHubHTTPError, kinds)
    assert issubclass(ConnectionError, kinds)
    assert not issubclass(KeyError, kinds)
    assert {kind.__module__.partition(".")[0] for kind in kinds} & {"httpx", "httpx2"}
