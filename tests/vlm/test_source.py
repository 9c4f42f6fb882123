from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from superneurons.errors import ModelError, ResourceError
from superneurons.vlm import source
from superneurons.vlm.source import check_memory, locate


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


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_a_damaged_list_of_shards_is_said(llava_path: Path, tmp_path: Path, content: str) -> None:
    model = Path(shutil.copytree(llava_path, tmp_path / "model"))
    (model / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ModelError, match="list of shards"):
        locate(str(model))


def test_free_memory_is_known_here() -> None:
    free = source._free_memory()
    assert free is None or free > 2**20
