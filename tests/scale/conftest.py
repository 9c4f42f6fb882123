"""A classifier on disk, and one local Ray cluster for all tests of a process that need it."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


@pytest.fixture(scope="session")
def fitted(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier of bright and dark pictures."""
    out = tmp_path_factory.mktemp("fitted") / "clf"
    SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(24)).save_pretrained(out)
    return out


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Ray on this machine: two CPUs, a small store. Tests that use it belong to one xdist group."""
    pytest.importorskip("ray")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="ray") as short:
        # Ray warns of what it will change, and of its own files; none of it is ours.
        warnings.simplefilter("ignore")
        import ray

        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=80 * 1024 * 1024,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            _temp_dir=short,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1", "SUPERNEURONS_VERIFY": "off"}},
        )
        yield ray
        ray.shutdown()
