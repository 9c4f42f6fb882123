"""Families whose passes can be one graph, each on a tiny random model.

A minute or two, so only on demand: ``SUPERNEURONS_ALL_GRAPHS=1 pytest tests/export``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pictures import murky
from superneurons.export.onnx import export_onnx
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.opening import open_vlm
from tiny_families import savers

ANY_BATCH = ("llava",)
ONE = (
    "fast_vlm", "idefics3", "internvl", "internvl_qwen3", "llava_siglip", "llava_siglip_pooling",
    "paligemma", "paligemma, gemma 2", "qwen3_vl", "smolvlm", "vipllava",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not os.environ.get("SUPERNEURONS_ALL_GRAPHS"), reason="on demand: SUPERNEURONS_ALL_GRAPHS=1"
)


@pytest.mark.parametrize("name", [*ANY_BATCH, *ONE])
def test_it_decides_as_the_classifier(name: str, tmp_path: Path) -> None:
    model = open_vlm(str(savers()[name](tmp_path / "model")), device="cpu")
    classifier = SuperNeuronClassifier(model, max_layer=2).fit(murky(60))
    told = export_onnx(classifier, tmp_path / "out", records=murky(40, seed=2))
    assert told["graph"]["any_batch"] == (name in ANY_BATCH)
    assert told["compared"]["agreement"] == 1.0
    assert 0.1 < classifier.predict_proba(murky(40, seed=2)).argmax(axis=1).mean() < 0.9
