from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError
from safetensors.torch import load_file

from superneurons.errors import ModelError, ModelNotFoundError, ResourceError
from superneurons.vlm import source
from superneurons.vlm.source import Source, check_complete, check_memory, fetch, locate, weight_map


def test_a_local_model_has_no_revision(model_path: Path) -> None:
    found = locate(str(model_path))
    assert (found.path, found.revision) == (str(model_path), None)


def test_a_home_directory_is_expanded(llava_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(llava_path.parent))
    assert locate(f"~/{llava_path.name}").path == str(llava_path)


def test_memory_is_counted_in_the_dtype_asked_for(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = locate(str(llava_path))
    stored = (llava_path / "model.safetensors").stat().st_size  # in float32
    monkeypatch.setattr(source, "_free_memory", lambda: int(stored * 0.9))
    check_memory(found, bytes_each=2)
    with pytest.raises(ResourceError, match="dtype='float16'"):
        check_memory(found, bytes_each=4)


def test_memory_is_counted_for_the_numbers_that_are_loaded(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = locate(str(llava_path))
    monkeypatch.setattr(source, "_free_memory", lambda: 5000)
    check_memory(found, bytes_each=4, numbers=1000)
    with pytest.raises(ResourceError):
        check_memory(found, bytes_each=4, numbers=1200)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}']
)
def test_a_damaged_list_of_shards_is_said(llava_path: Path, tmp_path: Path, content: str) -> None:
    model = Path(shutil.copytree(llava_path, tmp_path / "model"))
    (model / "model.safetensors.index.json").write_text(content)
    found = locate(str(model))
    with pytest.raises(ModelError, match="list of shards"):
        check_complete(found)
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="list of shards") as caught:
        weight_map(found)
    assert caught.value.where == str(model / "model.safetensors.index.json")


def test_a_single_file_lists_its_tensors(llava_path: Path) -> None:
    found = weight_map(locate(str(llava_path)))
    assert set(found) == set(load_file(llava_path / "model.safetensors"))
    assert set(found.values()) == {"model.safetensors"}


@pytest.mark.parametrize("content", [None, b""])
def test_a_directory_without_weights_is_incomplete(
    llava_path: Path, tmp_path: Path, content: bytes | None
) -> None:
    model = Path(shutil.copytree(llava_path, tmp_path / "model"))
    (model / "model.safetensors").unlink()
    if content is not None:
        (model / "model.safetensors").write_bytes(content)
    found = locate(str(model))
    for check in (check_complete, weight_map):
        with pytest.raises(ModelError, match="not complete") as caught:
            check(found)
        assert [problem.where for problem in caught.value.problems] == ["model/model.safetensors"]


class Hub:
    """The files of one model on a pretended hub, and which of them were downloaded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.downloaded: list[str] = []

    def __call__(self, repo: str, file: str, *, revision: str | None) -> str:
        assert (repo, revision) == ("some/model", "c0ffee")
        if not (self.directory / file).is_file():
            raise EntryNotFoundError(file)
        self.downloaded.append(file)
        return str(self.directory / file)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", found)
    return found


REMOTE = Source("some/model", "some/model", None, "c0ffee")


def test_of_the_hub_only_the_files_asked_for_are_downloaded(hub: Hub) -> None:
    for name in "abc":
        (hub.directory / name).write_text(name)
    assert fetch(REMOTE, ["a", "c"]) == {name: hub.directory / name for name in "ac"}
    assert hub.downloaded == ["a", "c"]
    check_complete(REMOTE)  # whatever is missing is downloaded later
    assert hub.downloaded == ["a", "c"]


def test_the_shards_of_a_hub_model_are_listed_without_them(hub: Hub) -> None:
    index = {"weight_map": {"x": "one.safetensors", "y": "two.safetensors"}}
    (hub.directory / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_map(REMOTE) == index["weight_map"]
    assert hub.downloaded == ["model.safetensors.index.json"]


def test_files_that_the_hub_lacks_are_all_named(hub: Hub) -> None:
    (hub.directory / "b").write_text("b")
    with pytest.raises(ModelError, match="not complete") as caught:
        fetch(REMOTE, ["a", "b", "c"])
    assert [problem.where for problem in caught.value.problems] == ["model/a", "model/c"]


def test_a_hub_that_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError("403 Forbidden")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(ModelNotFoundError, match="403 Forbidden"):
        fetch(REMOTE, ["a"])


def test_free_memory_is_known_here() -> None:
    free = source._free_memory()
    assert free is None or free > 2**20
