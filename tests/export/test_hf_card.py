"""The card says what was and wasn't run, and its code is whole."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import yaml

from superneurons.export.hf_card import hf_card, loader
from superneurons.export.markdown import as_code, as_words

TOLD: dict[str, Any] = {
    "base_model": {"name": "some/model", "layers": 30, "dtype": "bfloat16"},
    "licence": None,
    "exit_layer": 3,
    "labels": ["no", "yes"],
    "question": "Is it {new}?",
    "architecture": "SomeForSequenceClassification",
    "loads_as": "trunk",
    "refitted": None,
    "constant": True,
    "read_out": {"name": "super-neurons", "neurons": 12},
    "prompt": {"order": "picture-first", "template": None, "frame": "<image>{question}"},
    "probing_set": {"records": 300},
    "versions": {"transformers": "5.23.0"},
    "compared": None,
}
COMPARED = {
    "records": 50,
    "agreement": 0.98,
    "agreement_unrounded": 1.0,
    "dtype": "bfloat16",
    "largest_probability_difference": 0.0312,
}
REFITTED = {
    "fitted_on": 70,
    "held_out": 30,
    "learnt_from": "labels",
    "agreement": 0.9,
    "accuracy": 0.8,
    "accuracy_of_classifier": 0.85,
}


@pytest.mark.parametrize("loads_as", ["trunk", "sequence"])
def test_its_code_is_whole_and_holds_the_prompt(loads_as: str) -> None:
    prompt = 'USER: <image>\n"Is it {new}?" it\'s\nASSISTANT:'
    tree = ast.parse(loader({**TOLD, "loads_as": loads_as}, prompt))
    held = [
        node.value for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PROMPT"
    ]  # fmt: skip
    assert [ast.literal_eval(value) for value in held] == [prompt]
    assert "superneurons" not in ast.unparse(tree)
    assert "bfloat16" in ast.unparse(tree)


def test_what_transformers_has_no_class_for_is_a_trunk_and_a_product() -> None:
    trunk, whole = (hf_card({**TOLD, "loads_as": how}, "p") for how in ("trunk", "sequence"))
    assert "AutoModel.from_pretrained" in trunk
    assert "model.score @ state" in trunk
    assert "transformers has no class `SomeForSequenceClassification`" in trunk
    assert "AutoModelForSequenceClassification.from_pretrained" in whole
    assert "score" not in loader({**TOLD, "loads_as": "sequence"}, "p")
    assert "`SomeForSequenceClassification` is a class of transformers." in whole
    assert "transformers has no class" not in whole


def test_a_head_without_a_constant_names_none() -> None:
    card = hf_card({**TOLD, "constant": False}, "p")
    assert (
        "(super-neurons, 12 neurons), which is linear in the last layer's state. The norm" in card
    )
    assert "down_proj" not in card


def test_where_there_are_no_labels_no_accuracy_is_said() -> None:
    told = {name: value for name, value in REFITTED.items() if "accuracy" not in name}
    card = hf_card({**TOLD, "refitted": told, "compared": COMPARED}, "p")
    assert "agrees with the classifier on 90.0%.\n- The written files were loaded" in card
    assert "right" not in card.partition("## What was run")[2].partition("- The written")[0]


def test_the_licence_is_the_base_models() -> None:
    assert "Licence of the base model: mit." in hf_card({**TOLD, "licence": "mit"}, "p")
    assert "Licence of the base model: not named by its files; look it up." in hf_card(TOLD, "p")
    assert "scales nothing here.\n" in hf_card(TOLD, "p"), "and nothing is said of templates"


def test_it_says_that_vllm_was_not_run() -> None:
    card = hf_card(TOLD, "p")
    assert "vLLM was **not** run" in card
    assert "--runner pooling" in card
    assert "not loaded and compared: no records were given" in card
    assert "look it up" in card


def test_it_says_what_was_compared() -> None:
    card = hf_card({**TOLD, "compared": COMPARED, "licence": "mit"}, "p")
    assert "asked 50 records: the same answer as the classifier on 98.00%" in card
    assert "license: mit" in card
    assert "mlp.down_proj.bias" in card


def test_it_says_that_a_head_is_another_one() -> None:
    card = hf_card({**TOLD, "constant": False, "refitted": REFITTED}, "p")
    assert "fitted anew** on 70 records" in card
    assert "On 30 records held out" in card
    assert "right 80.0%, the classifier 85.0%" in card
    assert "mlp.down_proj.bias" not in card


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"order": "question-first", "template": None, "frame": "f"}, "question comes before"),
        ({"order": "picture-first", "template": "USER: …", "frame": "f"}, "--chat-template"),
    ],
)
def test_another_prompt_than_the_chat_template_is_said(prompt: dict[str, Any], said: str) -> None:
    assert said in hf_card({**TOLD, "prompt": prompt}, "p")
    assert said not in hf_card(TOLD, "p")


def test_several_questions_are_said() -> None:
    assert "put yours in the place of" in hf_card({**TOLD, "question": None}, "p")


@pytest.mark.parametrize(
    "odd", ["a\n---\nlicense: mit", "*b* | <b>", "``x`", "é: [1, 2] # c", "\\ {new} [a](b)"]
)
def test_nothing_that_it_is_given_breaks_the_card(odd: str) -> None:
    told = {
        "question": odd, "labels": [odd, "no"], "base_model": {**TOLD["base_model"], "name": odd},
    }  # fmt: skip
    card = hf_card({**TOLD, **told}, "p")
    _, head, body = card.split("---\n", 2)
    found = yaml.safe_load(head)
    assert (found["base_model"], found["license"]) == (odd, "other")
    assert f"Answers {as_code(odd)} or `no` to one question" in body
    assert f"# {as_words(odd)}, " in body
    assert f"*{as_words(odd)}*" in body
    prose = "".join(body.split("```")[::2])
    assert "\n---\n" not in prose
    assert " <b>" not in prose.replace(as_code(odd), "")
