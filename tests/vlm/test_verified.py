from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from superneurons.demo.cache import CACHE_ENV
from superneurons.errors import ModelError, VerificationError
from superneurons.vlm import opening, verified, verify
from superneurons.vlm.checks.check import Check
from superneurons.vlm.family import families
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.verified import VERIFY_ENV, entry_of, remember, was_verified
from superneurons.vlm.verify import Findings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and checks as they are by default."""
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "cache"))
    monkeypatch.delenv(VERIFY_ENV)
    return tmp_path / "cache" / "verified"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[VLM]:
    """The models that were examined."""
    found: list[VLM] = []
    examine = verify.examine

    def counted(vlm: VLM) -> Findings:
        found.append(vlm)
        return examine(vlm)

    monkeypatch.setattr(verify, "examine", counted)
    return found


def failing(_: VLM) -> Findings:
    return Findings((Check("cut-off", False, "relative 1.0e+00"),), {})


Opener = Callable[..., VLM]


@pytest.fixture
def opened(llava_path: Path) -> Opener:
    return partial(open_vlm, str(llava_path), device="cpu")


def test_a_model_is_verified_once(opened: Opener, calls: list[VLM], cache: Path) -> None:
    opened()
    opened()
    assert len(calls) == 1
    (entry,) = cache.iterdir()
    assert json.loads(entry.read_text())["passed"][:2] == ["run", "layers"]


def test_asked_for_it_is_verified_again(opened: Opener, calls: list[VLM]) -> None:
    opened()
    opened(verify=True)
    assert len(calls) == 2


@pytest.mark.parametrize("options", [{"verify": False}, {"depth": 2}, {"depth": 4}])
def test_it_is_not_where_it_should_not_or_is_opened_to_a_depth(
    opened: Opener, calls: list[VLM], options: dict[str, Any]
) -> None:
    opened(**options)
    assert calls == []


def test_it_can_be_turned_off_but_not_for_a_family_that_was_only_found(
    opened: Opener, calls: list[VLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERIFY_ENV, "off")
    vlm = opened()
    assert calls == []
    opened(verify=True)
    assert len(calls) == 1
    found = replace(vlm, family=replace(vlm.family, name="llava (found)"))
    verified.verify_on_load(found, "auto")
    assert len(calls) == 2
    verified.verify_on_load(found, "auto")
    assert len(calls) == 2


def test_what_failed_is_refused_each_time_and_can_be_opened_all_the_same(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(verify, "examine", failing)
    for _ in range(2):
        with pytest.raises(VerificationError, match="verify=False") as caught:
            opened()
        assert [problem.where for problem in caught.value.problems] == ["cut-off"]
    assert not cache.exists()
    assert opened(verify=False).depth == 4


@pytest.mark.parametrize("fields", [{"norm_name": "nonsense"}, {"tower_features": "nonsense"}])
def test_a_description_that_fits_nothing_is_the_checks_to_refuse(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    family = replace(families()["llava"][-1], **fields)
    monkeypatch.setattr(opening, "described_or_found", lambda _: family)
    assert not was_verified(opened(verify=False))
    with pytest.raises(VerificationError) as caught:
        opened()
    assert [problem.where for problem in caught.value.problems] == ["run"]


def test_findings_that_failed_are_not_kept(opened: Opener, cache: Path) -> None:
    vlm = opened(verify=False)
    remember(vlm, failing(vlm))
    assert not cache.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"of": {}, "passed": ["run"]}'])
def test_a_damaged_entry_is_made_again(opened: Opener, calls: list[VLM], content: str) -> None:
    entry = entry_of(opened())
    entry.write_text(content)
    opened()
    assert len(calls) == 2
    assert was_verified(calls[-1])


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    opened: Opener, calls: list[VLM], cache: Path
) -> None:
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file where the directory should be")
    opened()
    opened()
    assert len(calls) == 2


def test_nothing_half_written_is_left(opened: Opener, cache: Path) -> None:
    entry = entry_of(opened())
    assert list(cache.iterdir()) == [entry]


@pytest.fixture
def verified_one(opened: Opener) -> VLM:
    return opened()


@pytest.mark.parametrize(
    "change",
    [
        lambda vlm: replace(vlm, family=replace(vlm.family, resizable=False)),
        lambda vlm: replace(vlm, family=replace(vlm.family, lean_tower=None)),
        lambda vlm: replace(vlm, family=replace(vlm.family, record_tiles=partial(max, 1))),
        lambda vlm: replace(vlm, preparation="device"),
    ],
)
def test_another_description_is_verified_anew(verified_one: VLM, change: Any) -> None:
    assert was_verified(verified_one)
    assert not was_verified(change(verified_one))


def test_other_weights_dtypes_and_configurations_are_verified_anew(
    opened: Opener, verified_one: VLM, llava_path: Path, tmp_path: Path
) -> None:
    assert was_verified(opened(verify=False))
    assert not was_verified(opened(verify=False, dtype="float16"))
    copied = Path(shutil.copytree(llava_path, tmp_path / "copy"))
    assert was_verified(open_vlm(str(copied), device="cpu", verify=False))
    tensors = load_file(copied / "model.safetensors")
    head = next(name for name in tensors if "lm_head" in name)
    save_file({**tensors, head: tensors[head] + 1}, copied / "model.safetensors", {"format": "pt"})
    assert not was_verified(open_vlm(str(copied), device="cpu", verify=False))
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    config = json.loads((copied / "config.json").read_text())
    config["text_config"]["rms_norm_eps"] = 1e-3
    (copied / "config.json").write_text(json.dumps(config))
    assert not was_verified(open_vlm(str(copied), device="cpu", verify=False))


def test_other_versions_are_verified_anew(
    verified_one: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "version", lambda name: "0")
    assert not was_verified(verified_one)


def test_a_familys_functions_are_known_by_their_names() -> None:
    plain = verified._plain
    assert plain(partial(max, 1)) == ["builtins.max", [1], {}]
    assert plain({"a": (1, None, True)}) == {"a": [1, None, True]}
    assert plain(torch.float32) == "torch.float32"


@pytest.mark.parametrize("wrong", ["yes", None, 1, "off"])
def test_an_unknown_way_to_verify_is_named(opened: Opener, wrong: Any) -> None:
    with pytest.raises(ModelError, match=f"Unknown way to verify: {wrong!r}"):
        opened(verify=wrong)


def test_an_unknown_value_of_the_environment_is_named(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERIFY_ENV, "maybe")
    with pytest.raises(ModelError, match="SUPERNEURONS_VERIFY: 'maybe'"):
        opened()
