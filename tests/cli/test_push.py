from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_hub import FakeHub, fake_hub, log_in
from superneurons.shortcut.hub import forget
from superneurons.shortcut.lock import artefact_digest

# The hub's client warns of how it uses its own HTTP client.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAME = "some-owner/some-classifier"
BASE = ("--base-model", "llava-hf/some-llava")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache") as hub:
        yield hub
    forget(NAME)


def test_there_and_back_and_every_command_takes_its_name(
    run: Callable[..., Any], hub: FakeHub, clf: Path, llava_path: Path, test_file: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    def done(*words: object) -> str:
        ended = run(*words)
        assert ended.code == 0, ended.err
        return ended.out

    base = ("--model", llava_path)
    done("eval", clf, "--data", test_file, "--out", tmp_path / "run", "--no-rivals")
    told = done("push", clf, NAME, *BASE, "--run", tmp_path / "run", "--message", "From here")
    commit = hub.repos[NAME].refs["main"]
    assert told.startswith("Pushed config.json, classifier.safetensors, README.md: http://")
    assert "Not pushed: report.html, run.json." in told
    assert f"superneurons predict {NAME}@{commit}" in told
    assert "no scores" not in told
    assert hub.repos[NAME].messages[-1] == "From here"

    here = done("predict", clf, "--data", test_file)
    there = done("predict", NAME, "--data", test_file, *base)
    assert [line.partition("latency")[0] for line in here.splitlines()] == [
        line.partition("latency")[0] for line in there.splitlines()
    ]
    assert done("inspect", NAME) == done("inspect", clf).replace(str(llava_path), BASE[1])
    done("eval", f"{NAME}@{commit}", "--data", test_file, *base, "--no-rivals")
    done("predict", NAME, "--data", test_file, *base, "--out", tmp_path / "answers")
    lock = ("--lock", tmp_path / "lock")
    done("lock", NAME, "--data", test_file, *base, "--out", lock[1], "--target-accuracy", "0.5")
    done("check", NAME, "--data", test_file, *base, *lock)

    assert done("pull", f"{NAME}@{commit}", "--out", tmp_path / "copy").startswith(
        f"{NAME}@{commit}"
    )
    assert (tmp_path / "copy" / "classifier.safetensors").read_bytes() == (
        clf / "classifier.safetensors"
    ).read_bytes()
    assert artefact_digest(tmp_path / "copy") == artefact_digest(Path(NAME))


def test_json(run: Callable[..., Any], hub: FakeHub, clf: Path) -> None:
    found = run("push", clf, NAME, *BASE, "--private", "--branch", "trial", "--json").json
    assert hub.repos[NAME].is_private
    assert found["commit"] == hub.repos[NAME].refs["trial"]
    assert found["branch"] == "trial"
    assert found["stays"] == ["report.html", "run.json"]
    assert not found["has_scores"]


def test_what_cannot_be_pushed_is_said(
    run: Callable[..., Any], hub: FakeHub, clf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, said in (
        ((clf, NAME), "--base-model"),
        ((clf / "nowhere", NAME, *BASE), "There is no directory"),
        ((clf, "others/theirs", *BASE), "may not write"),
    ):
        ended = run("push", *words)
        assert ended.code == 2
        assert said in ended.err
    log_in(monkeypatch, None)
    assert "hf auth login" in run("push", clf, NAME, *BASE).err
