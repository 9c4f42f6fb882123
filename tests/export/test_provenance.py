"""What an export says of where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pictures import bright_records
from superneurons.export.folder import MARK
from superneurons.export.provenance import licence_of, provenance, write_json
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


def test_it_belongs_to_what_the_artefact_does(llava: VLM, tmp_path: Path) -> None:
    classifier = SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(24))
    classifier.save_pretrained(tmp_path / "clf")
    config, told = read_config(tmp_path / "clf"), provenance(classifier, "hf")
    for name in ("base_model", "prompt", "labels", "question", "exit_layer", "probing_set"):
        assert told[name] == config[name]
    assert told["kind"] == "superneurons-export-hf"
    assert told["read_out"] == {"name": "super-neurons", "neurons": len(classifier.neurons_)}
    write_json(tmp_path, told)
    assert json.loads((tmp_path / MARK).read_text()) == told


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlicense:\n---\n", None),
        ("# no front matter\n", None),
        (None, None),
    ],
)
def test_the_licence_is_what_the_card_names(
    card: str | None, licence: str | None, tmp_path: Path
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(str(tmp_path)) == licence


def test_the_embedded_models_licence_is_known() -> None:
    assert licence_of("demo") == "apache-2.0"
    assert licence_of("some/hub-model") is None


def test_it_says_what_is_read_and_in_which_order_the_labels_are(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava, max_layer=1, site="mlp").fit(bright_records(24))
    told = provenance(classifier, "onnx")
    assert told["site"] == "mlp"
    assert told["labels"] == ["no", "yes"]
    assert told["exit_layer"] == classifier.exit_layer_ == 1
    assert json.loads(json.dumps(told)) == told, "all of it is JSON"


def test_a_card_in_another_encoding_still_names_its_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\nauthor: Andr\xe9\nlicense: 'mit' \n---\n")
    assert licence_of(str(tmp_path)) == "mit"


def test_a_licence_far_down_in_the_text_is_not_the_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("\n" * 60 + "license: mit\n")
    assert licence_of(str(tmp_path)) is None
    (tmp_path / "README.md").write_text("\n" * 59 + "license: mit\n")
    assert licence_of(str(tmp_path)) == "mit"
