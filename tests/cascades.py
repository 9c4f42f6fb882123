"""Cascades in which records come to every stage."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from pictures import murky
from superneurons.shortcut.cascade import Cascade, CascadeWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

__all__ = ["altered", "going_on", "without_stage", "write_murky"]


def going_on(model: VLM, records: list[Record]) -> Cascade:
    """A fitted cascade of three stages: some records of a murky kind come to each."""
    cascade = Cascade(model, layers=[1, 3], random_state=1, read_out_params={"max_neurons": 4})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CascadeWarning)
        cascade.fit(records)
    for number in (0, 1):
        stages = list(cascade.stages_)
        stages[number] = replace(stages[number], threshold=0.0)
        cascade.stages_ = tuple(stages)
        sure = [a.confidence for n, a in cascade.staged_answers(records) if n == number]
        stages[number] = replace(stages[number], threshold=float(np.median(sure)))
        cascade.stages_ = tuple(stages)
    return cascade


def write_murky(directory: Path, n: int, seed: int, wrong: bool = False) -> Path:
    """Write murky records as JSON Lines, perhaps with the other label each."""
    other = {"yes": "no", "no": "yes"}
    rows = []
    for number, record in enumerate(murky(n, seed)):
        record.images[0].save(directory / f"{number}.png")  # type: ignore[union-attr]
        label = other[str(record.label)] if wrong else record.label
        rows.append({"image": f"{number}.png", "question": record.question, "label": label})
    path = directory / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def altered(saved: Path, to: Path, change: Callable[[Any, Any], None]) -> Path:
    """A copy of a saved cascade, its configuration and tensors changed."""
    to.mkdir()
    config = json.loads((saved / "config.json").read_text())
    tensors = dict(load_file(saved / "classifier.safetensors"))
    change(config, tensors)
    (to / "config.json").write_text(json.dumps(config))
    save_file(tensors, to / "classifier.safetensors")
    return to


def without_stage(config: Any, tensors: Any) -> None:
    """Take the second of three stages out, leaving a cascade that is whole."""
    del config["stages"][1], config["costs"][1], config["verified"]["shares"][1]
    tensors["thresholds"] = tensors["thresholds"][[0, 2]]
    for name in [name for name in tensors if name.startswith("1.")]:
        del tensors[name]
    for name in [name for name in tensors if name.startswith("2.")]:
        tensors["1." + name.removeprefix("2.")] = tensors.pop(name)
