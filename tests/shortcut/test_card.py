from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pictures import bright_records
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.card import card, cascade_card
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


def config(**changed: Any) -> dict[str, Any]:
    """What a card is made of, without a model behind it."""
    return {
        "base_model": {"name": "some/model", "family": "LLaVA-1.5", "layers": 32},
        "probing_set": {"records": 40, "groups": 20, "neurons_searched": 512},
        "labels": ["no", "yes"],
        "site": {"kind": "mlp", "position": "first_generated"},
        "exit_layer": 3,
        "form": "direct",
        "read_out": {"name": "paper"},
        "prompt": {"frame": "<image> ?"},
    } | changed


def rows(text: str) -> dict[str, str]:
    """The table of a card."""
    found = [line.strip("| ").split(" | ") for line in text.splitlines() if " | " in line]
    return {row[0]: row[1] for row in found if len(row) == 2}


def front_matter(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_a_classifier_s_table_says_how_it_came_about() -> None:
    text = card(config(), 7, "my/clf")
    assert front_matter(text) == {
        "library_name": "superneurons",
        "base_model": "some/model",
        "tags": ["super-neurons", "visual-question-answering"],
    }
    assert rows(text) == {
        "answers": "no, yes",
        "asked": "once, by its own question",
        "read-out": "paper",
        "probing set": "40 records in 20 groups",
        "site": "mlp, first generated token",
        "neurons searched": "512",
        "prompt": "`'<image> ?'`",
    }
    assert 'SuperNeuronClassifier.from_pretrained("my/clf")' in text
    assert "stops it after decoder layer 3 of 32" in text


def test_where_only_pictures_are_read_no_layer_runs() -> None:
    text = card(config(exit_layer=0), 7)
    assert "runs no decoder layer of it" in text
    assert "decoder layer 0" not in text


@pytest.mark.parametrize("make", [lambda c: card(c, 1), cascade_card])
@pytest.mark.parametrize(
    ("form", "said"),
    [("lettered", "with its options by letter"), ("unrolled", "once per answer"),
     ("direct", "by its own question")],
)  # fmt: skip
def test_how_it_is_asked_is_said_in_words(make: Any, form: str, said: str) -> None:
    text = make(cascade_config(form=form, labels=[]))
    assert said in rows(text)["asked"]
    assert rows(text)["answers"] == "each record's own options"


def cascade_config(**changed: Any) -> dict[str, Any]:
    parts = {
        "stages": [{"base_answer": False, "layer": 2}, {"base_answer": True, "layer": 32}],
        "verified": {"shares": [0.75, 0.25], "records": 48, "accuracy": 0.9375},
        "target": {"accuracy": 0.925, "met": True},
    }
    return config() | parts | changed


def test_a_cascade_s_table_says_where_it_stops_and_how_often() -> None:
    text = cascade_card(cascade_config(), "my/steps")
    assert rows(text) == {
        "answers": "no, yes",
        "asked": "once, by its own question",
        "probing set": "40 records in 20 groups",
        "target": "92.5% of answers right: met where thresholds were chosen",
        "on 48 other records": "93.8% right; 75% at layer 2, 25% at the base model's own answer",
        "prompt": "`'<image> ?'`",
    }
    assert front_matter(text)["base_model"] == "some/model"
    assert "(LLaVA-1.5, 32 layers)" in text
    assert "layer 2, the base model's own answer." in text
    assert 'Cascade.from_pretrained("my/steps")' in text
    missed = cascade_card(cascade_config(target={"accuracy": 0.9, "met": False}))
    assert rows(missed)["target"] == "90.0% of answers right: not met where thresholds were chosen"
