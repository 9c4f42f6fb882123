from __future__ import annotations

import json

import numpy as np
import pytest

from pictures import bright_records
from superneurons.activations.capture import Captured
from superneurons.activations.site import TOKENS, Position, Site
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.robustness.first_layer import FirstLayer, first_layer
from superneurons.shortcut.probing import probing_set
from superneurons.vlm.model import VLM

PROBE, TEST = bright_records(40), bright_records(24, seed=1)
TRUTH = np.array([r.label == "yes" for r in [*PROBE, *TEST]])


@pytest.fixture(scope="module")
def rows(llava: VLM) -> dict[tuple[Position, str], FirstLayer]:
    """Layer 1 knows the answer at the prompt, and only what the model says at its answer."""
    rng = np.random.default_rng(0)
    said = np.where(rng.random(64) < 0.75, TRUTH, ~TRUTH)
    states = rng.normal(size=(2, 64, 2, 30))
    states[0, :, 0, 4] = np.where(TRUTH, 3, -3) + rng.normal(size=64)
    states[1, :, 0] = np.where(said, 5, -5)[:, None] * rng.normal(size=30)
    states[:, :, 1] = 100 * TRUTH[:, None]  # the layer above knows all, and is not asked
    margin = np.where(said, 2.0, -2.0)
    logits = np.stack([-margin, margin], axis=1) + rng.normal(size=(64, 2)) / 10
    both = Captured(
        {Site(position=p): s.astype(np.float16) for p, s in zip(TOKENS, states, strict=True)},
        logits.astype(np.float32),
    )
    probing = probing_set(PROBE, balanced=False, seed=0)
    base = base_task(llava, PROBE, ("no", "yes"))
    found = [row for p in TOKENS for row in first_layer(probing, both, base, TEST, p, 0)]
    return {(row.position, row.rule): row for row in found}


@pytest.mark.parametrize("rule", ["best neuron", "paper's rule", "improved"])
def test_what_holds_the_answer_is_better_than_the_model(
    rows: dict[tuple[Position, str], FirstLayer], rule: str
) -> None:
    row = rows["last_prompt", rule]
    assert row.scores.balanced_accuracy > 0.95
    assert row.over_base.interval[0] > 0
    assert row.over_calibrated.interval[0] > 0
    assert row.agreement < 0.95


@pytest.mark.parametrize("rule", ["best neuron", "paper's rule", "improved"])
def test_what_re_reads_the_answer_agrees_always_and_is_no_better(
    rows: dict[tuple[Position, str], FirstLayer], rule: str
) -> None:
    row = rows["first_generated", rule]
    assert row.agreement == 1
    assert row.over_base.difference == 0
    assert row.over_base.interval == (0, 0)
    assert row.scores.balanced_accuracy < 0.95


def test_it_is_json(rows: dict[tuple[Position, str], FirstLayer]) -> None:
    made = rows["last_prompt", "improved"].as_dict()
    assert json.loads(json.dumps(made)) == made
    assert set(made) == {
        "position", "rule", "scores", "over_base", "over_calibrated", "agreement",
    }  # fmt: skip
