from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, errors

from hub_cache import COMMIT, NAME, OTHER, add_commit, offline
from superneurons.errors import ModelError, ModelNotFoundError
from superneurons.task.record import Record
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.hub import hub_file, not_found, offline_hint, offline_variable
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.processor import processor_settings
from superneurons.vlm.prompt import Prompt
from superneurons.vlm.source import check_memory, locate
from tiny_models import save_llava


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """An empty hub cache, and nothing else to be had."""
    with offline(tmp_path / "cache"):
        yield tmp_path / "cache"


def test_a_hub_id_opens_like_the_local_path(
    model_path: Path, records: list[Record], cache: Path
) -> None:
    add_commit(cache, model_path)
    local, hub = (open_vlm(name, device="cpu") for name in (str(model_path), NAME))
    assert (hub.name, hub.revision, local.revision) == (NAME, COMMIT, None)
    for depth, head in ((1, False), (4, True)):
        assert fingerprint(hub, depth, head=head) == fingerprint(local, depth, head=head)
    assert processor_settings(hub.processor) == processor_settings(local.processor)
    assert Prompt().frame(hub.processor, hub.family) == Prompt().frame(
        local.processor, local.family
    )
    seen = [vlm.last_states(vlm.encode(records[:3]), logits=True) for vlm in (local, hub)]
    assert torch.equal(seen[0].residual, seen[1].residual)
    assert seen[0].logits is not None
    assert seen[1].logits is not None
    assert torch.equal(seen[0].logits, seen[1].logits)


def test_the_first_layers_of_a_hub_id_open_like_those_of_the_local_path(
    model_path: Path, records: list[Record], cache: Path
) -> None:
    add_commit(cache, model_path)
    local, hub = (open_vlm(name, depth=2, device="cpu") for name in (str(model_path), NAME))
    assert (hub.depth, hub.n_layers, hub.revision) == (2, 4, COMMIT)
    assert fingerprint(hub, 2) == fingerprint(local, 2)
    states = [vlm.last_states(vlm.encode(records[:2])).residual for vlm in (local, hub)]
    assert torch.equal(states[0], states[1])


@pytest.mark.parametrize("revision", [None, "main", OTHER, COMMIT])
def test_the_commit_is_recorded_whatever_it_was_called(
    llava_path: Path, cache: Path, revision: str | None
) -> None:
    add_commit(cache, llava_path, OTHER, is_main=False)
    add_commit(cache, llava_path, COMMIT)
    found = locate(NAME, revision=revision)
    assert found.revision == (OTHER if revision == OTHER else COMMIT)


def test_a_directory_of_that_name_comes_before_the_hub(
    llava_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_commit(cache, llava_path)
    (tmp_path / "work" / NAME).parent.mkdir(parents=True)
    (tmp_path / "work" / NAME).symlink_to(llava_path)
    monkeypatch.chdir(tmp_path / "work")
    assert locate(NAME).revision is None


def test_memory_is_counted_for_what_is_cached(
    llava_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_commit(cache, llava_path)
    monkeypatch.setattr("superneurons.vlm.source._free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match=f"Loading {NAME!r} takes"):
        check_memory(locate(NAME), bytes_each=4)


@pytest.mark.parametrize("revision", [None, "v2", OTHER])
def test_offline_with_nothing_cached_says_so(cache: Path, revision: str | None) -> None:
    with pytest.raises(ModelNotFoundError, match="Offline mode is on") as caught:
        open_vlm(NAME, revision=revision)
    said = str(caught.value)
    assert f"in the local hub cache ({cache})" in said
    assert "Unset HF_HUB_OFFLINE" in said
    assert (str(revision) in said) == (revision is not None)


def test_another_commit_than_the_cached_one_is_not_taken_for_it(
    llava_path: Path, cache: Path
) -> None:
    add_commit(cache, llava_path, COMMIT)
    with pytest.raises(ModelNotFoundError, match=f"at revision '{OTHER}'"):
        open_vlm(NAME, revision=OTHER)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE=1"),
        ({"TRANSFORMERS_OFFLINE": "yes"}, "TRANSFORMERS_OFFLINE=yes"),
        ({"HF_HUB_OFFLINE": "ON", "TRANSFORMERS_OFFLINE": "1"}, "HF_HUB_OFFLINE=ON"),
        ({}, "HF_HUB_OFFLINE"),
    ],
)
def test_the_variable_that_switched_it_on_is_named(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert offline_variable() == named
    assert f"Offline mode is on ({named})" in str(not_found(NAME))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert offline_variable() is None
    assert "Offline" not in str(not_found(NAME))
    assert offline_hint() == ""


@pytest.mark.parametrize("depth", [None, 2])
def test_a_partial_download_says_what_is_missing(
    llava_path: Path, cache: Path, depth: int | None
) -> None:
    snapshot = add_commit(cache, llava_path)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="not complete") as caught:
        open_vlm(NAME, depth=depth, device="cpu")
    (problem,) = caught.value.problems
    assert problem.where == "some-model/model.safetensors"
    assert "offline mode is on" in problem.what
    assert "Unset HF_HUB_OFFLINE" in str(caught.value.mend)


@pytest.mark.parametrize("depth", [None, 1])
def test_every_shard_that_is_missing_is_named(
    tmp_path: Path, cache: Path, depth: int | None
) -> None:
    model = save_llava(tmp_path / "model", layers=2)
    whole = open_vlm(str(model), device="cpu")
    whole.model.save_pretrained(model, max_shard_size="40KB")
    (model / "model.safetensors").unlink(missing_ok=True)
    snapshot = add_commit(cache, model)
    shards = sorted(file.name for file in snapshot.glob("*.safetensors"))
    assert len(shards) > 3
    assert open_vlm(NAME, depth=depth, device="cpu").n_layers == 2
    for shard in shards[:2]:  # the vision tower is in the first, whatever the depth
        (snapshot / shard).unlink()
    with pytest.raises(ModelError, match="offline mode is on") as caught:
        open_vlm(NAME, depth=depth, device="cpu")
    assert {problem.where for problem in caught.value.problems} <= {
        f"some-model/{shard}" for shard in shards[:2]
    }
    assert depth or len(caught.value.problems) == 2


def test_a_cached_configuration_that_is_damaged_is_not_said_to_be_missing(
    llava_path: Path, cache: Path
) -> None:
    snapshot = add_commit(cache, llava_path)
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be used") as caught:
        locate(NAME)
    assert not isinstance(caught.value, ModelNotFoundError)


REFUSALS = {
    errors.GatedRepoError: ("restricted \\(gated\\)", "Ask for access at https://huggingface.co/"),
    errors.RepositoryNotFoundError: ("has no model", "log in if it is private"),
    errors.RevisionNotFoundError: ("no revision 'v2'", "branch, tag or commit"),
    errors.HFValidationError: ("can be no hub id", "owner/name"),
    OSError: ("from the hub \\(418 I'm a teapot\\)", "the network"),
    PermissionError: ("hub cache cannot be used", "HF_HOME"),
}


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_what_the_hub_refuses_is_said_with_what_to_do(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise kind.__new__(kind, "418 I'm a teapot\nand more")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    what, mend = REFUSALS[kind]
    with pytest.raises(ModelNotFoundError, match=what) as caught:
        open_vlm(NAME, revision="v2")
    assert mend in str(caught.value.mend)
    assert caught.value.where == NAME


def test_a_file_that_a_model_lacks_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (errors.RemoteEntryNotFoundError, errors.LocalEntryNotFoundError):

        def lack(*_: object, kind: type[Exception] = kind, **__: object) -> str:
            raise kind.__new__(kind, "no such file")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", lack)
        assert hub_file(NAME, "a", None) is None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ModelNotFoundError, match=r"no network, or no config\.json"):
        locate(NAME)


def test_the_command_line_says_it_without_a_stack_trace(tmp_path: Path) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "superneurons", "doctor", "--model", NAME],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "superneurons: Offline mode is on (HF_HUB_OFFLINE=1)" in done.stderr
    assert "mend:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("file", ["tokenizer.json", "processor_config.json"])
def test_a_processor_that_is_not_cached_says_that_offline_mode_is_on(
    llava_path: Path, cache: Path, file: str
) -> None:
    snapshot = add_commit(cache, llava_path)
    (snapshot / file).unlink()
    with pytest.raises(ModelError, match=r"processor of .* cannot be loaded") as caught:
        open_vlm(NAME, device="cpu")
    assert "unset HF_HUB_OFFLINE" in str(caught.value.mend)
