"""The card of a graph: code that is whole, and what was measured."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageOps

from superneurons.export.markdown import as_code, as_words
from superneurons.export.onnx_card import onnx_card, runner
from superneurons.export.pictures import prepare

HOW = {
    "shortest_edge": None, "resize": [8, 8], "resample": 3, "crop": None, "rescale": 1 / 255,
    "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
}  # fmt: skip
TOLD: dict[str, Any] = {
    "base_model": {"name": "some/model", "layers": 30},
    "licence": None,
    "exit_layer": 3,
    "labels": ["no", "yes"],
    "question": "Is it new?",
    "read_out": {"name": "paper", "neurons": 4},
    "versions": {"onnxruntime": "1.32.0", "torch": "2.13.0"},
    "graph": {
        "file": "classifier.onnx", "opset": 20, "any_batch": True, "input_shape": [1, 3, 8, 8],
        "bytes": 2_500_000, "prepare": HOW, "prepare_difference": 2e-7,
    },
    "latency_ms": {"onnx": 1.23, "torch": 4.56, "threads": 2},
    "compared": None,
    "int8": None,
}  # fmt: skip
COMPARED = {"records": 40, "agreement": 0.975, "largest_probability_difference": 0.01}
EIGHT = {
    "file": "classifier.int8.onnx", "bytes": 700_000, "ms": 0.9, "agreement": 0.7, "wanted": 0.995,
    "kept": False,
}  # fmt: skip


def test_its_code_needs_no_torch_and_prepares_as_we_do() -> None:
    tree = ast.parse(runner(TOLD))
    imported = {
        alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names
    }
    assert imported == {"json", "numpy", "onnxruntime"}
    shown = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "prepare")
    known: dict[str, Any] = {"np": np, "ImageOps": ImageOps}
    exec(ast.unparse(shown), known)
    picture = Image.fromarray(np.arange(12 * 9 * 3, dtype=np.uint8).reshape(12, 9, 3))
    np.testing.assert_array_equal(known["prepare"](picture, HOW), prepare(picture, HOW))


def test_without_a_recipe_pixels_are_the_input() -> None:
    told = {**TOLD, "graph": {**TOLD["graph"], "prepare": None}}
    assert "PIL" not in runner(told)
    assert "def classify(session, told, pixels)" in runner(told)
    assert "more than can be said in a few" in onnx_card(told)


def test_it_says_what_was_measured() -> None:
    card = onnx_card({**TOLD, "compared": COMPARED, "int8": EIGHT})
    assert "1.2 ms; PyTorch 2.13.0, early exit: 4.6 ms" in card
    assert "40 records: the same answer as the classifier on 97.50%" in card
    assert "0.7 MB, 0.9 ms, the same answer on 70.00%, where 99.5% is wanted: not kept" in card
    assert "No GPU" in card
    assert "2.5 MB" in card


def test_it_says_what_was_not_compared() -> None:
    assert "Not compared with the classifier on records" in onnx_card(TOLD)


@pytest.mark.parametrize(
    ("any_batch", "said"), [(True, "(batch, 3, 8, 8): any number"), (False, "(1, 3, 8, 8): one")]
)
def test_it_says_how_many_pictures(any_batch: bool, said: str) -> None:
    assert said in onnx_card({**TOLD, "graph": {**TOLD["graph"], "any_batch": any_batch}})


@pytest.mark.parametrize(
    "odd", ["a\n---\nlicense: mit", "*b* | <b>", "``x`", "é: [1, 2] # c", "\\ {new} [a](b)"]
)
def test_nothing_that_it_is_given_breaks_the_card(odd: str) -> None:
    told = {
        "question": odd, "labels": [odd, "no"], "base_model": {**TOLD["base_model"], "name": odd},
    }  # fmt: skip
    card = onnx_card({**TOLD, **told})
    _, head, body = card.split("---\n", 2)
    found = yaml.safe_load(head)
    assert (found["base_model"], found["license"]) == (odd, "other")
    assert f"Answers {as_code(odd)} or `no` to one question" in body
    assert f"# {as_words(odd)}, " in body
    assert f"*{as_words(odd)}*" in body
    prose = "".join(body.split("```")[::2])
    assert "\n---\n" not in prose
    assert " <b>" not in prose.replace(as_code(odd), "")
