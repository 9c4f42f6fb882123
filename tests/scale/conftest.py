"""A classifier on disk."""

from __future__ import annotations

from pathlib import Path

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
