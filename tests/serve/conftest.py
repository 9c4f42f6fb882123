"""Classifiers of every kind on a tiny model, fitted once."""

from __future__ import annotations

import pytest

from pictures import choices, murky, shades
from serve.fitted import bright, quietly
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator
from superneurons.vlm.model import VLM


@pytest.fixture(scope="session")
def kinds(vlm: VLM) -> dict[str, Estimator]:
    """By how they are asked, what they read, and where they may stop."""
    return {
        "bright": bright(vlm, max_layer=1),
        "longer": bright(vlm, "Would you say that it is rather bright?", max_layer=3),
        "murky": SuperNeuronClassifier(vlm, max_layer=2).fit(murky(30)),
        "shades": SuperNeuronClassifier(vlm, max_layer=2).fit(shades(30)),
        "lettered": SuperNeuronClassifier(vlm).fit(choices(36)),
        "paper": SuperNeuronClassifier(vlm, read_out="paper", max_layer=2).fit(shades(30)),
        "asked-first": bright(vlm, prompt_order="question-first", max_layer=2),
        "heads": bright(vlm, site="heads", max_layer=2),
        "vision": bright(vlm, site="vision", max_layer=1),
        "over-image": bright(vlm, position="image_mean", max_layer=1),
        "generated": bright(vlm, position="first_generated", max_layer=2),
        "cascade": quietly(Cascade(vlm, layers=[1, 3]), murky(80)),
        "without-base": quietly(Cascade(vlm, layers=[1, 2], base_answer=False), murky(60)),
    }
