from __future__ import annotations

from pathlib import Path

from pictures import bright_records
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.card import card
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


def test_it_names_what_one_has_to_know(vlm: VLM, tmp_path: Path) -> None:
    SuperNeuronClassifier(vlm).fit(bright_records(12)).save_pretrained(tmp_path / "clf")
    text = card(read_config(tmp_path / "clf"), n_neurons=7)
    assert text == card(read_config(tmp_path / "clf"), n_neurons=7)
    assert f"base_model: {vlm.name}" in text
    assert "Reads 7 neurons" in text
    assert "no, yes" in text
    assert "12 records in 12 groups" in text
