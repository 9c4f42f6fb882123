from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import TOKENS, Site
from superneurons.errors import DataError
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.readings import Readings, read_layers
from superneurons.evaluate.rivals import base_task
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


@pytest.fixture(scope="module")
def test_records() -> list[Record]:
    return bright_records(16, seed=1)


@pytest.fixture(scope="module")
def found(llava: VLM, test_records: list[Record]) -> Readings:
    return read_layers(llava, bright_records(24), test_records)


def test_every_layer_is_read_at_both_tokens(found: Readings, llava: VLM) -> None:
    places = [(row.position, row.layer) for row in found.rows]
    depth = llava.n_layers
    assert places == [
        *(("last_prompt", k) for k in range(1, depth + 1)),
        *(("first_generated", k) for k in range(depth + 1)),
    ]
    assert json.loads(json.dumps(found.as_dict()))["setting"]["test_records"] == 16


def test_figures_are_those_of_the_named_neuron(
    found: Readings, llava: VLM, test_records: list[Record]
) -> None:
    task = base_task(llava, test_records, ("no", "yes"))
    said = task.raw(test_records, task.logits(llava, test_records))
    truth = [record.label for record in test_records]
    for row in found.rows:
        if row.layer == 0:
            continue
        site = Site(position=row.position)
        states = capture(llava, test_records, sites=[site]).activations
        votes = np.where(states[:, row.layer - 1, row.neuron] > 0, "yes", "no")
        recalls = [np.mean(votes[np.array(truth) == label] == label) for label in ("no", "yes")]
        assert row.neuron_accuracy == pytest.approx(np.mean(recalls))
        assert row.neuron_agreement == pytest.approx(np.mean(votes == np.array(said)))


def test_the_embedding_of_the_answer_is_the_answer(found: Readings, llava: VLM) -> None:
    """Records with the same first token can't be told apart by it."""
    test = bright_records(16, seed=1)
    both = capture(llava, test, sites=[Site(position="first_generated")])
    assert both.first_tokens is not None
    row = next(row for row in found.rows if row.layer == 0)
    table = llava.model.get_input_embeddings().weight  # type: ignore[operator]
    votes = (table[both.first_tokens, row.neuron] > 0).numpy()
    for token in np.unique(both.first_tokens):
        assert len(set(votes[both.first_tokens == token])) == 1
    truth = np.array([record.label == "yes" for record in test])
    recalls = [np.mean(votes[truth == value] == value) for value in (False, True)]
    assert row.neuron_accuracy == pytest.approx(np.mean(recalls))


def test_more_than_two_answers_are_refused(llava: VLM) -> None:
    with pytest.raises(DataError, match="two answers"):
        read_layers(llava, shades(12), shades(12, seed=1))


def test_pictures_in_both_are_refused(llava: VLM) -> None:
    probe = bright_records(12)
    with pytest.raises(DataError, match="share a picture"):
        read_layers(llava, probe, [replace(probe[0], question="Is it?")])


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(template="{pictures}Q: {question} A:")
    asked = prompts_asked(monkeypatch)
    found = read_layers(llava, bright_records(24), bright_records(8, seed=1), prompt=prompt)
    assert found.setting["prompt"] == "<image>Q: {question} A:"
    assert set(asked) == {prompt}


def test_a_witness_is_shown_what_was_captured(llava: VLM) -> None:
    probe, test = bright_records(24), bright_records(8, seed=1)
    seen: list[Any] = []
    found = read_layers(llava, probe, test, witness=lambda *parts: seen.append(parts))
    ((probing, both, base),) = seen
    assert len(both) == len(probing.records) + 8
    said = base.raw(test, both.label_logits[-8:])
    assert found.base_accuracy == mean_recall([r.label for r in test], said)
    for position in TOKENS:
        assert both.at(Site(position=position)).activations.shape[0] == 32
