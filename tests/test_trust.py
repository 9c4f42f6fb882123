"""Code that comes with a checkpoint doesn't run unless that was asked for; by nobody's default."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import dynamic_module_utils

import superneurons
from superneurons.errors import ModelError
from superneurons.vlm.opening import open_vlm

CODE = """
with open({trace!r}, "w") as trace:
    trace.write("it ran")
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
class OwnConfig(LlavaConfig):
    model_type = "own"
class OwnProcessor(LlavaProcessor):
    pass
class OwnModel(LlavaForConditionalGeneration):
    pass
"""


class Checkpoint:
    """A checkpoint with code of its own, which leaves a trace when it runs."""

    def __init__(self, path: Path, trace: Path) -> None:
        self.path = path
        self.trace = trace
        (path / "own.py").write_text(CODE.format(trace=str(trace)))

    def change(self, file: str, **fields: Any) -> None:
        stored = json.loads((self.path / file).read_text())
        (self.path / file).write_text(json.dumps(stored | fields))

    @property
    def ran(self) -> bool:
        return self.trace.exists()


@pytest.fixture
def checkpoint(
    llava_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checkpoint]:
    # What transformers runs, it copies to a place in the user's home, and that is put on sys.path.
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return Checkpoint(Path(shutil.copytree(llava_path, tmp_path / "model")), tmp_path / "trace")


CONFIG = {"AutoConfig": "own.OwnConfig", "AutoModelForImageTextToText": "own.OwnModel"}


def test_a_model_of_its_own_code_is_refused_and_the_option_named(checkpoint: Checkpoint) -> None:
    checkpoint.change("config.json", model_type="own", auto_map=CONFIG)
    for depth in (None, 1):
        with pytest.raises(ModelError, match="code of its own") as caught:
            open_vlm(str(checkpoint.path), depth=depth, device="cpu")
        assert "trust_remote_code=True (--trust-remote-code)" in str(caught.value.mend)
        assert str(caught.value.where).endswith("config.json: auto_map")
        assert not checkpoint.ran


def test_a_processor_of_its_own_code_is_refused_and_the_option_named(
    checkpoint: Checkpoint,
) -> None:
    own = {"AutoProcessor": "own.OwnProcessor"}
    checkpoint.change("processor_config.json", processor_class="OwnProcessor", auto_map=own)
    with pytest.raises(ModelError, match="code of its own") as caught:
        open_vlm(str(checkpoint.path), device="cpu")
    assert "--trust-remote-code" in str(caught.value.mend)
    assert not checkpoint.ran


def test_code_that_is_not_needed_is_not_run_and_no_obstacle(checkpoint: Checkpoint) -> None:
    checkpoint.change("config.json", auto_map=CONFIG)
    (checkpoint.path / "custom_generate").mkdir()
    shutil.copy(checkpoint.path / "own.py", checkpoint.path / "custom_generate" / "generate.py")
    assert open_vlm(str(checkpoint.path), device="cpu").n_layers == 4
    assert not checkpoint.ran


def test_with_the_option_the_code_runs(checkpoint: Checkpoint) -> None:
    """Or the other tests would hold whatever the option does."""
    checkpoint.change("config.json", model_type="own", auto_map=CONFIG)
    with pytest.raises(ModelError, match="'own' are not supported"):
        open_vlm(str(checkpoint.path), device="cpu", trust_remote_code=True)
    assert checkpoint.ran


def everything() -> Iterator[tuple[str, Any]]:
    """Every function and class of the package, commands among them."""
    for module in pkgutil.walk_packages(superneurons.__path__, "superneurons."):
        if module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            if callable(thing) and getattr(thing, "__module__", "") == module.name:
                yield f"{module.name}.{name}", thing
                for inner, method in vars(thing).items() if isinstance(thing, type) else ():
                    if inspect.isfunction(method):
                        yield f"{module.name}.{name}.{inner}", method


def test_it_is_off_by_default_everywhere() -> None:
    found = {}
    for name, thing in everything():
        try:
            parameters = inspect.signature(thing).parameters
        except (TypeError, ValueError):
            continue
        if "trust_remote_code" in parameters:
            found[name] = parameters["trust_remote_code"].default
    assert {"superneurons.vlm.opening.open_vlm", "superneurons.cli.predict.predict"} <= set(found)
    assert len(found) > 12
    assert set(found.values()) == {False}
