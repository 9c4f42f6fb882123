from __future__ import annotations

from pathlib import Path

import pytest

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
    assert "prompt template" not in text


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("<|a|>{pictures}\n{question}", r"`'<\|a\|>{pictures}\n{question}'`"),
        ("`{pictures}` ``{question}``", "``` '`{pictures}` ``{question}``' ```"),
        ("{pictures}'{question}", '`"{pictures}\'{question}"`'),
    ],
)
def test_a_template_is_shown_as_it_is_in_one_row(
    llava: VLM, tmp_path: Path, template: str, shown: str
) -> None:
    fitted = SuperNeuronClassifier(llava, prompt_template=template).fit(bright_records(12))
    fitted.save_pretrained(tmp_path / "clf")
    rows = (tmp_path / "clf" / "README.md").read_text().splitlines()
    assert f"| prompt template | {shown} |" in rows
    frame = shown.replace("{pictures}", "<image>")
    assert f"| prompt | {frame} |" in rows
