from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hub_cache import NAME, add_commit, offline
from superneurons.errors import ModelNotFoundError
from superneurons.vlm.naming import check_name, is_local
from superneurons.vlm.source import locate


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(name: str) -> str:
    with pytest.raises(ModelNotFoundError) as caught:
        check_name(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo", "gpt2", "owner/name"])
def test_what_may_be_had_is_left_open(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["demoo", "Demo", "dem"])
def test_a_misspelt_word_is_not_looked_for_anywhere(name: str) -> None:
    assert "Did you mean 'demo'?" in refused(name)


def test_what_is_like_nothing_here_gets_no_guess(here: Path) -> None:
    assert "Did you mean" not in refused("quux")
    assert "Did you mean" not in refused(str(here / "empty" / "quux"))


@pytest.mark.parametrize("written", ["my-mdoel", "./my-mdoel", "{here}/my-mdoel"])
def test_the_nearest_folder_is_named(here: Path, written: str) -> None:
    (here / "my-model").mkdir()
    (here / "my-mdoels").write_text("")
    said = refused(written.format(here=here))
    assert "my-model'?" in said
    assert "owner/name" in said


def test_a_folder_that_holds_no_model_and_a_file_are_told_apart(here: Path) -> None:
    (here / "folder").mkdir()
    (here / "weights.safetensors").touch()
    assert "no config.json" in refused("folder")
    assert "is a file" in refused("weights.safetensors")
    (here / "folder" / "config.json").touch()
    check_name("folder")
    check_name("./folder/")


@pytest.mark.parametrize("name", ["x" * 300, "./" + "x" * 300, "~nobody-of-that-name/model"])
def test_what_no_system_can_look_for_is_no_stack_trace(name: str) -> None:
    assert "cannot be looked into" in refused(name)


@pytest.mark.parametrize("rest", ["", "/", "/tree/main", "?a=b"])
def test_an_address_of_the_hub_is_told_from_a_path(rest: str) -> None:
    said = refused(f"https://huggingface.co/llava-hf/llava-1.5-7b-hf{rest}")
    assert "Give 'llava-hf/llava-1.5-7b-hf'." in said
    assert "no directory" in refused(f"https://example.org/llava-hf/llava{rest}")


def test_a_cached_model_is_known_with_and_without_its_owner(llava_path: Path, here: Path) -> None:
    with offline(here / "cache"):
        add_commit(here / "cache", llava_path)
        assert f"Did you mean {NAME!r}?" in refused(NAME.rpartition("/")[2])
        (here / "cache" / "models--old-name").mkdir()
        check_name("old-name")


def test_a_name_is_a_path_when_written_as_one_or_there(here: Path) -> None:
    (here / "owner" / "name").mkdir(parents=True)
    there = ("owner/name", "./x", "/x", "~/x", "a/b/c")
    assert [is_local(name) for name in (*there, "owner/other", "x")] == [True] * 5 + [False] * 2


def test_opening_asks_no_network_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", None)
    with pytest.raises(ModelNotFoundError, match="the hub's have an owner"):
        locate("demoo")


def test_it_is_known_without_torch() -> None:
    code = (
        "import sys; from superneurons.vlm.naming import check_name\n"
        "try: check_name('demoo')\n"
        "except OSError: pass\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
