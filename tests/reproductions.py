"""A small reproduction that no model was run for."""

from __future__ import annotations

from typing import Any

from superneurons.evaluate.reproduction.figures import Figure, Figures, Whole
from superneurons.evaluate.reproduction.printed import Printed
from superneurons.evaluate.reproduction.reproduced import Measured, Null, Reproduction, Way
from superneurons.evaluate.reproduction.settings import Settings


def figures(value: float) -> Figures:
    part = Figure(value, (value - 0.125, value + 0.125))
    return Figures(8, 4, part, part, part, part, part)


def measured(**other: Any) -> Measured:
    values: dict[str, Any] = {
        "versions": {"torch": "2.11", "numpy": "2.3"}, "name": "somewhere", "revision": None,
        "family": "LLaVA-1.5", "layers": 32, "hidden_size": 4096, "dtype": "float16",
        "fingerprint": "f" * 64, "processor": {"size": 336}, "device": "cpu", "machine": "x86_64",
        "threads": 1, "prompt": "USER: {question}", "prompt_sha256": "e" * 64,
        "label_words": None, "classes": ("no", "yes"), "unrolled": True,
        "probing_questions": 8, "test_records": 4, "test_questions": 8,
        "probing_sha256": "d" * 64, "test_sha256": "c" * 64,
    }  # fmt: skip
    return Measured(**{**values, **other})


def made_up() -> Reproduction:
    printed = Printed(
        "2", "pope", "llava-7b", "majority", metric="accuracy", accuracy=90.9, precision=91.0,
        recall=91.4, f1=91.2, threshold=92.0,
    )  # fmt: skip
    whole = Whole(4, Figure(0.75, (0.25, 1.0)), Figure(0.7, (0.2, 1.0)))
    ways = (
        Way("text-only", "text only", "validation", figures(0.5)),
        Way("base-first-token", "base model, first token", "validation", None, exit_layer=32,
            note="its words can't be told apart"),
        Way("paper-accuracy-majority", "SN, paper: by accuracy, majority", "validation",
            figures(0.875), whole, 15, 15, 1234, 0.92, 0.01, "", printed),
        Way("neuron-f1@first_generated", "best neuron by F1", "validation", figures(0.625), None,
            3, 32, 1),
        Way("neuron-f1", "best neuron by F1", "probing", figures(0.75), None, 12, 12, 1,
            note="chosen and scored on the same questions"),
    )  # fmt: skip
    nulls = (
        Null("last_prompt", 131072, 3000, 0.925, 0.5375, 0.5417),
        Null("first_generated", 131072, 3000, 0.95, 0.5375, 0.5417),
    )
    settings = Settings("pope", data="a.jsonl", test="b.jsonl", row="llava-7b", margin_step=0.01)
    return Reproduction(settings, measured(), "arXiv 2603.10781, llava-7b on pope", nulls, ways)
