from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from pictures import bright_records
from superneurons.errors import (
    ModelError,
    ModelNotFoundError,
    ResourceError,
    VerificationError,
)
from superneurons.vlm import opening, source
from superneurons.vlm.family import families
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.spread import spread
from tiny_families import savers
from tiny_models import save_llava


@pytest.fixture
def copied(llava_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llava_path, tmp_path / "model"))


def test_a_local_directory_opens(model_path: Path) -> None:
    vlm = open_vlm(str(model_path), device="cpu")
    assert (vlm.n_layers, vlm.hidden_size, vlm.dtype) == (4, 32, torch.float32)
    assert not vlm.model.training
    assert not any(parameter.requires_grad for parameter in vlm.model.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_dtype_can_be_chosen(llava_path: Path, dtype: str) -> None:
    assert open_vlm(str(llava_path), device="cpu", dtype=dtype).dtype == getattr(torch, dtype)


def test_a_sharded_checkpoint_opens(llava_path: Path, copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    names = sorted(tensors)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, copied / file, {"format": "pt"})
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index | {"metadata": {}}))
    (copied / "model.safetensors").unlink()
    one, two = (open_vlm(str(p), device="cpu") for p in (llava_path, copied))
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(a, b)
    (copied / "b.safetensors").unlink()
    with pytest.raises(ModelError, match="not complete") as caught:
        open_vlm(str(copied), device="cpu")
    assert "model/b.safetensors: missing" in str(caught.value)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/model", "~/no-such-model"])
def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="no directory"):
        open_vlm(name)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no config\.json"):
        open_vlm(str(tmp_path))


@pytest.mark.parametrize("damage", ["cut off", "empty", "noise"])
def test_damaged_weights_are_refused(copied: Path, damage: str) -> None:
    weights = copied / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes({"cut off": whole[:-100], "empty": b"", "noise": b"\1" * 64}[damage])
    with pytest.raises(ModelError, match="weights") as caught:
        open_vlm(str(copied), device="cpu")
    assert caught.value.mend


def test_a_text_model_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config["text_config"]))
    with pytest.raises(ModelError, match="'llama' are not supported"):
        open_vlm(str(copied), device="cpu")


def test_a_configuration_that_is_no_json_is_refused(copied: Path) -> None:
    (copied / "config.json").write_text("{")
    with pytest.raises(ModelError):
        open_vlm(str(copied), device="cpu")


def test_what_does_not_fit_is_refused_before_loading(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_free_memory", lambda: 1024)
    with pytest.raises(ResourceError, match="GiB are free"):
        open_vlm(str(llava_path), device="cpu")


@pytest.mark.parametrize("depth", [None, 2])
def test_several_devices_share_a_model(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int | None
) -> None:
    given: list[Any] = []

    def noted(model: Any, family: Any, devices: Any, name: str) -> Any:
        given.append((devices, name))
        return spread(model, family, devices, name)

    monkeypatch.setattr("superneurons.vlm.opening.spread", noted)
    vlm = open_vlm(str(llava_path), device="cpu, cpu", depth=depth)
    assert given == [((torch.device("cpu"),) * 2, str(llava_path))]
    one = open_vlm(str(llava_path), device="cpu", depth=depth)
    assert len(given) == 1
    inputs = vlm.encode(bright_records(2))
    assert torch.equal(vlm.last_states(inputs).residual, one.last_states(inputs).residual)


def test_a_device_of_torch_will_do(llava_path: Path) -> None:
    given: Any = torch.device("cpu")
    assert open_vlm(str(llava_path), device=given).device == given


def test_one_of_several_devices_that_is_unknown_is_named(llava_path: Path) -> None:
    with pytest.raises(ModelError, match="device 'abacus'"):
        open_vlm(str(llava_path), device="cpu,abacus")


@pytest.mark.parametrize(("option", "value"), [("device", "abacus"), ("dtype", "int3")])
def test_an_unknown_device_or_dtype_is_named(llava_path: Path, option: str, value: str) -> None:
    with pytest.raises(ModelError, match=value):
        open_vlm(str(llava_path), **{"device": "cpu", option: value})  # type: ignore[arg-type]


def test_layers_that_the_checkpoint_lacks_are_noticed(tmp_path: Path) -> None:
    path = save_llava(tmp_path / "model")
    config = json.loads((path / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 6
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="lacks weights") as caught:
        open_vlm(str(path), device="cpu")
    assert all(".layers.4." in p.where or ".layers.5." in p.where for p in caught.value.problems)


@pytest.mark.parametrize("decoder", ["model.nonsense", "model.vision_tower.encoder"])
def test_a_family_that_names_other_layers_is_refused_by_the_checks_name(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    family = replace(families()["llava"][-1], decoder=decoder)
    monkeypatch.setattr(opening, "described_or_found", lambda _: family)
    with pytest.raises(VerificationError, match="4 of width 32") as caught:
        open_vlm(str(llava_path), device="cpu")
    (problem,) = caught.value.problems
    assert problem.where == "layers"
    assert decoder in problem.what


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is there")
@pytest.mark.parametrize("depth", [None, 1])
def test_a_package_that_a_tower_needs_is_named(tmp_path: Path, depth: int | None) -> None:
    """Checkpoints of FastVLM on the hub have towers of timm."""
    path = savers()["fast_vlm"](tmp_path / "model")
    config = json.loads((path / "config.json").read_text())
    config["vision_config"] = {
        "model_type": "timm_wrapper", "architecture": "fastvit_mci3", "hidden_size": 3072,
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"needs a package.* timm") as caught:
        open_vlm(str(path), device="cpu", depth=depth)
    assert "Install it" in caught.value.mend


@pytest.mark.parametrize("depth", [None, 2])
def test_models_opened_by_several_threads_are_loaded_one_after_another(
    llava_path: Path, depth: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tying, loading, most = PreTrainedModel.tie_weights, [0], [0]

    def watched(load: Callable[..., Any]) -> Callable[..., Any]:
        def loaded(*given: Any) -> Any:
            loading[0] += 1
            most[0] = max(most[0], loading[0])
            time.sleep(0.05)
            try:
                return load(*given)
            finally:
                loading[0] -= 1

        return loaded

    for name in ("_whole", "_part"):
        monkeypatch.setattr(opening, name, watched(getattr(opening, name)))
    with ThreadPoolExecutor(3) as threads:
        given = {"device": "cpu", "depth": depth, "verify": False}
        opened = [threads.submit(open_vlm, str(llava_path), **given) for _ in range(3)]
        assert len({future.result().model for future in opened}) == 3
    assert most == [1]
    assert PreTrainedModel.tie_weights is tying, "what is switched off for loading is on again"
