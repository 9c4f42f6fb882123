"""Tables 1 and 2 of arXiv 2603.10781: seven tasks with two models each.

Written down as they are printed, a column for each task; figures in %.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from superneurons.evaluate.reproduction.printed import Method, Metric, Printed

__all__ = ["MAIN_ROWS", "TASKS"]

TASKS = (
    "pope", "instaorder-depth", "instaorder-occlusion", "vizwiz", "clevr", "aokvqa", "scienceqa",
)  # fmt: skip
"""The columns of both tables. Of InstaOrder, VizWiz and CLEVR the yes/no questions; A-OKVQA and
ScienceQA as one yes/no question per option."""

# Table 1, the single best neuron on the probing set that chose it. Not one neuron has both figures:
# the first is of the best by accuracy, the second of the best by F1.
_SINGLE = """
accuracy llava-7b    base    90.7 61.7 53.9 64.8 52.3 67.8 62.2
accuracy llava-7b    neuron  92.5 63.5 62.7 71.9 54.4 68.0 63.8
accuracy qwen3-vl-4b base    95.0 61.8 50.8 78.3 84.7 82.7 81.3
accuracy qwen3-vl-4b neuron  96.1 62.8 62.6 81.0 88.6 83.0 82.3
f1       llava-7b    base    91.1 67.7 46.1 72.0 61.7 74.5 70.0
f1       llava-7b    neuron  92.3 69.1 69.0 74.8 66.9 73.8 70.7
f1       qwen3-vl-4b base    94.8 63.1  4.2 78.9 86.4 82.3 81.4
f1       qwen3-vl-4b neuron  95.9 69.1 69.1 81.2 89.0 82.6 82.2
"""

# Table 2, validation; the neurons were chosen by accuracy.
_MANY = """
threshold llava-7b    -         92   63   62   71   53   67   63
threshold qwen3-vl-4b -         95.8 62.6 62.0 80.9 88.3 80.0 82.0
accuracy  llava-7b    base      89.8 65.0 64.9 65.6 51.3 54.8 53.5
accuracy  llava-7b    mean      90.9 66.1 64.5 72.6 51.5 61.4 57.4
accuracy  llava-7b    majority  90.9 65.2 78.2 69.9 51.4 72.0 48.4
accuracy  qwen3-vl-4b base      91.5 63.4 85.2 81.7 83.7 85.2 81.1
accuracy  qwen3-vl-4b mean      93.4 63.6 78.1 81.2 88.3 85.2 82.9
accuracy  qwen3-vl-4b majority  93.7 64.9 77.2 80.1 88.3 85.2 82.4
precision llava-7b    base      89.5 66.4 18.5 60.1 50.9 34.9 40.1
precision llava-7b    mean      92.6 68.8 23.5 73.9 51.0 37.7 42.4
precision llava-7b    majority  91.0 66.4 30.4 64.1 50.9 44.7 38.3
precision qwen3-vl-4b base      98.5 69.3 49.6 80.4 76.7 66.0 68.3
precision qwen3-vl-4b mean      97.6 70.1 31.3 76.9 87.9 66.0 71.7
precision qwen3-vl-4b majority  96.5 69.2 29.2 79.8 85.3 66.0 72.9
recall    llava-7b    base      90.8 80.2 40.2 92.5 76.6 93.9 85.9
recall    llava-7b    mean      89.5 75.9 61.8 69.9 75.8 83.7 84.5
recall    llava-7b    majority  91.4 80.9 36.5 90.3 77.5 51.8 94.9
recall    qwen3-vl-4b base      84.9 66.0  2.7 83.9 96.8 83.8 78.7
recall    qwen3-vl-4b mean      89.3 64.8 40.0 89.2 90.0 83.7 78.3
recall    qwen3-vl-4b majority  91.1 71.1 37.8 80.6 92.5 83.8 73.4
f1        llava-7b    base      90.2 72.6 25.3 72.9 61.1 50.9 54.7
f1        llava-7b    mean      91.0 72.2 34.0 71.8 61.0 52.0 56.5
f1        llava-7b    majority  91.2 72.9 33.2 75.0 61.4 48.0 54.6
f1        qwen3-vl-4b base      91.2 67.6  5.1 82.1 85.6 73.8 73.1
f1        qwen3-vl-4b mean      93.3 67.4 35.1 82.6 89.0 73.8 74.8
f1        qwen3-vl-4b majority  93.7 70.1 33.0 80.2 88.7 73.9 73.2
"""


def _cells(text: str) -> Iterator[tuple[str, str, str, list[float]]]:
    for line in text.strip().splitlines():
        what, model, method, *values = line.split()
        yield what, model, method, [float(value) for value in values]


def _single() -> Iterator[Printed]:
    """The model has both figures; of the neurons each is another one's."""
    figures: dict[tuple[str, str, str, str | None], dict[str, Any]] = {}
    for what, model, method, values in _cells(_SINGLE):
        for task, value in zip(TASKS, values, strict=True):
            place = task, model, method, what if method == "neuron" else None
            figures.setdefault(place, {})[what] = value
    for (task, model, method, metric), found in figures.items():
        chosen_by = cast("Metric | None", metric)
        yield Printed("1", task, model, cast(Method, method), "probing", chosen_by, **found)


def _many() -> Iterator[Printed]:
    figures: dict[tuple[str, str, str], dict[str, Any]] = {}
    thresholds: dict[tuple[str, str], float] = {}
    for what, model, method, values in _cells(_MANY):
        for task, value in zip(TASKS, values, strict=True):
            if what == "threshold":
                thresholds[task, model] = value
            else:
                figures.setdefault((task, model, method), {})[what] = value
    for (task, model, method), found in figures.items():
        if method != "base":
            found |= {"threshold": thresholds[task, model], "metric": "accuracy"}
        yield Printed("2", task, model, cast(Method, method), **found)


MAIN_ROWS: tuple[Printed, ...] = (*_single(), *_many())
"""Every figure of both tables."""
