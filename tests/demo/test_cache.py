from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from superneurons.demo.cache import CACHE_ENV, built_once, cache_root, is_intact
from superneurons.errors import ModelNotFoundError, OutputError


class Builder:
    """Writes two files and counts how often it was asked to."""

    def __init__(self, content: str = "weights") -> None:
        self.content = content
        self.calls = 0

    def __call__(self, directory: Path) -> None:
        self.calls += 1
        (directory / "model.bin").write_text(self.content)
        (directory / "config.json").write_text("{}")


def test_it_builds_once_and_then_finds_it(tmp_path: Path) -> None:
    build = Builder()
    paths = [built_once("demo", {"a": "1"}, build, root=tmp_path) for _ in range(3)]
    assert build.calls == 1
    assert len(set(paths)) == 1
    assert (paths[0] / "model.bin").read_text() == "weights"
    assert is_intact(paths[0])


def test_other_inputs_give_another_directory(tmp_path: Path) -> None:
    one = built_once("demo", {"a": "1"}, Builder(), root=tmp_path)
    two = built_once("demo", {"a": "2"}, Builder(), root=tmp_path)
    assert one != two
    assert is_intact(one)
    assert is_intact(two)


def flip_a_byte(directory: Path) -> None:
    (directory / "model.bin").write_text("weighty")


def lose_a_file(directory: Path) -> None:
    (directory / "config.json").unlink()


def lose_the_manifest(directory: Path) -> None:
    (directory / "manifest.json").unlink()


def spoil_the_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_text("[1, 2")


def empty_the_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [flip_a_byte, lose_a_file, lose_the_manifest, spoil_the_manifest, empty_the_manifest],
)
def test_damage_is_noticed_and_mended(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    build = Builder()
    path = built_once("demo", {"a": "1"}, build, root=tmp_path)
    damage(path)
    assert not is_intact(path)
    assert built_once("demo", {"a": "1"}, build, root=tmp_path) == path
    assert build.calls == 2
    assert is_intact(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_manifest_tells_inputs_and_outputs(tmp_path: Path) -> None:
    path = built_once("demo", {"weights": "abc"}, Builder(), root=tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["inputs"] == {"weights": "abc"}
    assert set(manifest["outputs"]) == {"model.bin", "config.json"}


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("…")
        raise ModelNotFoundError("Not installed.")

    with pytest.raises(ModelNotFoundError, match="Not installed"):
        built_once("demo", {}, fail, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_several_at_once_agree(tmp_path: Path) -> None:
    def ask(_: int) -> Path:
        return built_once("demo", {"a": "1"}, Builder(), root=tmp_path)

    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(ask, range(8)))
    assert len(paths) == 1
    assert is_intact(paths.pop())
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_said_before_the_build(tmp_path: Path) -> None:
    build = Builder()
    with pytest.raises(OutputError, match="are free") as caught:
        built_once("demo", {}, build, root=tmp_path, needs_bytes=10**18)
    assert build.calls == 0
    assert CACHE_ENV in str(caught.value)


def test_a_disk_that_fills_up_on_the_way_is_said(tmp_path: Path) -> None:
    def fill(directory: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="No space left"):
        built_once("demo", {}, fill, root=tmp_path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    taken = tmp_path / "a file"
    taken.write_text("")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        built_once("demo", {}, Builder(), root=taken / "cache")
    assert str(taken / "cache") in str(caught.value)


def test_the_cache_goes_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_ENV, "/somewhere/else")
    assert cache_root() == Path("/somewhere/else")


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "/base/superneurons"),
        ("win32", "LOCALAPPDATA", "/base/superneurons"),
    ],
)
def test_the_platform_has_a_place(
    monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, expected: str
) -> None:
    monkeypatch.delenv(CACHE_ENV, raising=False)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv(variable, "/base")
    assert cache_root() == Path(expected)


def test_without_any_variable_it_is_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CACHE_ENV, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_root() == Path("/home/someone/.cache/superneurons")
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_root() == Path("/home/someone/Library/Caches/superneurons")
