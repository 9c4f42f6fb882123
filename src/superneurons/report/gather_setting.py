"""What a run was made with, beside what its figures say themselves."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch

from superneurons.evaluate.entries import ENTRIES
from superneurons.shortcut.belonging import belongs_to
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.reading import tower_for
from superneurons.task.record import Record

__all__ = ["fit_setting", "made_with", "name_of", "questions_of"]

_PACKAGES = ("superneurons", "torch", "transformers", "numpy", "scikit-learn", "pillow")
_MOST_QUESTIONS = 3


def name_of(classifier: SuperNeuronClassifier) -> str:
    """Return what a comparison calls a classifier's read-out, or else the name it was asked by."""
    place = classifier.read_out, classifier.site_
    return next((e.name for e in ENTRIES if (e.read_out, e.site) == place), classifier.read_out)


def questions_of(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the first few different questions."""
    return tuple(dict.fromkeys(record.question for record in records))[:_MOST_QUESTIONS]


def made_with(classifier: SuperNeuronClassifier) -> dict[str, Any]:
    """Return which model a fitted classifier belongs to, and the versions of what ran, as JSON."""
    site, deepest = classifier.site_, max(neuron.layer for neuron in classifier.neurons_)
    base = belongs_to(
        classifier.vlm, classifier.prompt, classifier.exit_layer_, head=site.answers_first,
        tower=tower_for(site, deepest),
    )["base_model"]  # fmt: skip
    packages = {name: version(name) for name in _PACKAGES}
    return {
        **{name: base[name] for name in ("family", "revision", "fingerprint")},
        "versions": {"python": platform.python_version(), **packages},
    }


def fit_setting(classifier: SuperNeuronClassifier) -> dict[str, Any]:
    """Return what a classifier was fitted with, as JSON values."""
    vlm, probing = classifier.vlm, classifier.probing_
    return {
        "model": vlm.name,
        "layers": vlm.n_layers,
        "probing_records": probing["records"],
        "probing_questions": probing["questions"],
        "groups": probing["groups"],
        "neurons_searched": probing["neurons_searched"],
        "read_out": classifier.read_out,
        "parameters": dict(classifier.read_out_.get_state().values)["parameters"],
        "site": str(classifier.site_),
        "asked": classifier.form_,
        "exit_layer": classifier.exit_layer_,
        "neurons": len(classifier.neurons_),
        "max_layer": classifier.max_layer,
        "resolution": classifier.resolution,
        "balanced": classifier.balanced,
        "seed": classifier.random_state,
        "prompt": classifier.prompt.frame(vlm.processor, vlm.family),
        "device": vlm.device_name,
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(vlm.dtype).removeprefix("torch."),
        **made_with(classifier),
    }
