from __future__ import annotations

import json

import numpy as np
import pytest

from pictures import bright_records
from superneurons.activations.capture import Captured
from superneurons.activations.site import TOKENS, Position, Site
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.robustness.first_layer import FirstLayer, first_layer
from superneurons.evaluate.robustness.seed_scores import seed_difference, seed_scores
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.shortcut.probing import probing_set
from superneurons.vlm.model import VLM

PROBE, TEST = bright_records(40), bright_records(24, seed=1)
LABELS = ("no", "yes")
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


def test_rows_are_what_each_rule_gives_on_layer_one_beside_both_kinds_of_logits(
    llava: VLM,
) -> None:
    """Derived anew, on noise with a little signal and more of one label than of the other."""
    rng = np.random.default_rng(1)
    test = [*TEST, *[r for r in bright_records(20, seed=2) if r.label == "yes"]]
    truth = np.array([r.label == "yes" for r in (*PROBE, *test)])
    states = rng.normal(size=(len(truth), 3, 30))
    states[:, 0, :5] += np.where(truth, 0.6, -0.6)[:, None]
    logits = rng.normal(size=(len(truth), 2)) + np.stack([~truth, truth + 1.5], axis=1)
    half, single = states.astype(np.float16), logits.astype(np.float32)
    both = Captured({Site(): half}, single)
    probing, base = probing_set(PROBE, balanced=False, seed=0), base_task(llava, PROBE, LABELS)
    found = {r.rule: r for r in first_layer(probing, both, base, test, "last_prompt", 4)}
    X, other, n = half[:40, 0], half[40:, 0], 40
    best = int(np.argmax([np.mean((X[:, k] > 0) == truth[:n]) for k in range(30)]))
    answers = {"best neuron": np.where(other[:, best] > 0, "yes", "no").tolist()}
    for rule, read_out in (("paper's rule", PaperSuperNeurons), ("improved", SuperNeurons)):
        fitted = read_out(random_state=4).fit(X, probing.y, probing.groups)
        answers[rule] = fitted.predict(other).tolist()
    raw = np.array(LABELS)[single[n:].argmax(axis=1)].tolist()
    calibrated = base.calibrated(PROBE, single[:n], test, single[n:])
    assert raw != calibrated
    assert list(found) == list(answers)
    for rule, given in answers.items():
        row = found[rule]
        assert row.scores == seed_scores(test, [given], labels=LABELS)
        assert row.over_base == seed_difference(test, [given], [raw], labels=LABELS)
        assert row.over_calibrated == seed_difference(test, [given], [calibrated], labels=LABELS)
        assert row.agreement == np.mean([a == b for a, b in zip(given, raw, strict=True)])
        assert row.scores.n == 34
