"""The card tells what was measured, quotes what it was given, and claims nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from superneurons.export.hub_card import hub_card
from superneurons.report.run import Bin, Confusion, Run

CONFIG: dict[str, Any] = {
    "base_model": {"name": "some/model", "family": "LLaVA", "layers": 32, "dtype": "bfloat16"},
    "labels": ["no", "yes"],
    "form": "direct",
    "question": 'Is it "new"? # or {old}',
    "exit_layer": 3,
    "site": {"kind": "residual", "position": "last_prompt"},
    "prompt": {"frame": "<image>{question}", "template": None},
    "read_out": {"name": "super-neurons"},
    "probing_set": {"records": 300, "groups": 300, "neurons_searched": 1000},
    "settings": {"balanced": True},
}
SCORES = {
    "n": 50, "accuracy": 0.9, "accuracy_interval": [0.8, 0.95], "balanced_accuracy": 0.88,
    "balanced_accuracy_interval": [0.79, 0.94], "f1": 0.87,
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {"name": "base model, first token", "scores": {**SCORES, "accuracy": 0.7}, "exit_layer": 32,
     "ms": {"median": 60.04}},
    {"name": "not run", "scores": None, "exit_layer": None, "ms": None},
    {"name": "Super Neurons", "scores": SCORES, "exit_layer": 3, "ms": None},
]  # fmt: skip
SETTING = {
    "test_records": 50, "device": "cuda:0", "processor": "x86_64", "threads": 16,
    "dtype": "bfloat16", "timing": {"rounds": 5, "counted": "all but the network"},
}  # fmt: skip
RUN = Run(
    kind="eval",
    title="more.jsonl",
    questions=(CONFIG["question"],),
    labels=("no", "yes"),
    command="superneurons eval …",
    setting={},
    comparison={"rows": ROWS, "setting": SETTING},
    bins=(Bin(0.5, 0.75, 10, 0.6, 0.7), Bin(0.75, 0.9, 0, 0, 0), Bin(0.9, 1, 40, 0.95, 0.95)),
    ece=0.031,
    confusion=Confusion(("no", "yes"), ((24, 1), (4, 21)), (), (), ()),
    subject="Super Neurons",
)
CASCADE = {
    **{k: v for k, v in CONFIG.items() if k not in ("exit_layer", "read_out")},
    "kind": "cascade",
    "stages": [{"base_answer": False, "layer": 3}, {"base_answer": True, "layer": 32}],
    "target": {"accuracy": 0.95, "met": True},
    "verified": {
        "records": 100, "accuracy": 0.94, "wanted": 0.95, "cost": 0.4, "shares": [0.8, 0.2],
    },
}  # fmt: skip


def metadata(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    found = yaml.safe_load(card.split("---\n", 2)[1])
    assert isinstance(found, dict)
    return found


def test_what_the_hub_reads() -> None:
    found = metadata(hub_card(CONFIG, 12, "me/mine", licence="mit", run=RUN))
    assert found["library_name"] == "superneurons"
    assert found["pipeline_tag"] == "visual-question-answering"
    assert found["license"] == "mit"
    assert found["base_model"] == "some/model"
    assert found["base_model_relation"] == "adapter"
    (index,) = found["model-index"]
    (result,) = index["results"]
    assert index["name"] == "mine"
    assert result["task"]["name"] == CONFIG["question"]
    assert result["dataset"]["name"] == "more.jsonl"
    assert {m["type"]: m["value"] for m in result["metrics"]} == {
        "accuracy": 0.9,
        "balanced_accuracy": 0.88,
        "f1": 0.87,
    }


def test_without_scores_none_are_told() -> None:
    card = hub_card(CONFIG, 12, "me/mine")
    assert "model-index" not in metadata(card)
    assert "license" not in metadata(card)
    assert "No scores" in card
    assert "## Calibration" not in card
    assert "## Speed" not in card


def test_every_row_that_was_scored_is_told_with_its_interval() -> None:
    card = hub_card(CONFIG, 12, "me/mine", run=RUN)
    assert "| base model, first token | 70.0 (80–95) | 88.0 (79–94) | 87.0 | 32 | 60 |" in card
    assert "| Super Neurons | 90.0 (80–95) | 88.0 (79–94) | 87.0 | 3 | – |" in card
    assert "not run" not in card
    assert "On 50 records of more.jsonl" in card
    assert "cuda:0 (x86_64, 16 threads), bfloat16" in card
    assert "Counted: all but the network." in card


def test_calibration_leaves_out_empty_bins() -> None:
    card = hub_card(CONFIG, 12, "me/mine", run=RUN)
    assert "3.1 points" in card
    assert "| 50–75 % | 10 | 70.0 % |" in card
    assert "75–90" not in card
    assert "not compared" in hub_card(CONFIG, 12, "me/mine", run=replace(RUN, ece=None, bins=()))


def test_labels_are_told_with_how_many_there_were() -> None:
    card = hub_card(CONFIG, 12, "me/mine", run=RUN)
    assert "300 records, as many of each label" in card
    assert "| no | 25 | 96.0 % |" in card
    assert "| yes | 25 | 84.0 % |" in card
    assert "as many of each" not in hub_card({**CONFIG, "settings": {}}, 12, "me/mine")


def test_it_is_loaded_by_its_name() -> None:
    assert 'SuperNeuronClassifier.from_pretrained("me/mine")' in hub_card(CONFIG, 12, "me/mine")
    assert 'Cascade.from_pretrained("me/mine")' in hub_card(CASCADE, 0, "me/mine")


def test_a_cascade_tells_what_it_was_verified_on() -> None:
    (index,) = metadata(hub_card(CASCADE, 0, "me/mine"))["model-index"]
    (metric,) = index["results"][0]["metrics"]
    assert metric == {"type": "accuracy", "name": "accuracy, of 100 records", "value": 0.94}


def test_the_embedded_model_is_on_no_hub() -> None:
    config = {**CONFIG, "base_model": {**CONFIG["base_model"], "name": "demo"}}
    found = metadata(hub_card(config, 12, "me/mine"))
    assert "base_model" not in found
    assert "base_model_relation" not in found


@pytest.mark.parametrize("question", ["a\n---\nlicense: mit", "*bold* | <b>", "`x`", "é: [1, 2]"])
def test_no_question_breaks_the_card(question: str) -> None:
    config = {**CONFIG, "question": question}
    card = hub_card(config, 12, "me/mine", run=RUN)
    found = metadata(card)
    assert "license" not in found
    assert found["model-index"][0]["results"][0]["task"]["name"] == question
    assert all(
        mark not in card.split("## Intended use")[1] for mark in ("\n---\n", " <b>", "*bold*.")
    )


def test_questions_of_many_kinds() -> None:
    card = hub_card({**CONFIG, "question": None, "labels": []}, 12, "me/mine", run=RUN)
    assert "whose words change with the record" in card
    assert metadata(card)["model-index"][0]["results"][0]["task"]["name"]
