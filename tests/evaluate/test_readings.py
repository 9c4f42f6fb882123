from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, choices, murky, shades
from superneurons.activations.capture import Captured, capture
from superneurons.activations.site import TOKENS, Site
from superneurons.errors import DataError, ModelError
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.readings import Reading, Readings, read_layers, two_answers
from superneurons.evaluate.rivals import base_task
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.shortcut.probing import ProbingSet
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


@pytest.fixture(scope="module")
def uneven(llava: VLM) -> tuple[Readings, ProbingSet, Captured, list[Record]]:
    """More dark pictures than bright ones to score on, and what the model gave for all."""
    test = [*murky(12, seed=4), *[r for r in murky(16, seed=5) if r.label == "no"]]
    test = [replace(r, id=str(i)) for i, r in enumerate(test)]
    seen: list[Any] = []
    probe = [*murky(30, seed=2), *[r for r in murky(8, seed=3) if r.label == "yes"]]
    found = read_layers(llava, probe, test, seed=5, witness=lambda *parts: seen.append(parts))
    ((probing, both, _),) = seen
    return found, probing, both, test


def layer_of(both: Captured, row: Reading) -> np.ndarray:
    return both.at(Site(position=row.position)).activations[:, row.layer - 1]


def test_the_neuron_is_the_one_that_is_right_most_often_on_the_probing_set(
    uneven: tuple[Readings, ProbingSet, Captured, list[Record]],
) -> None:
    found, probing, both, _ = uneven
    n = len(probing.records)
    truth = probing.y == "yes"
    assert truth.mean() == 0.5, "probing sets are balanced"
    for row in found.rows:
        if row.layer:
            right = np.mean((layer_of(both, row)[:n] > 0) == truth[:, None], axis=0)
            assert row.neuron == np.argmax(right)


def test_the_improved_read_out_is_fitted_on_each_layer_alone(
    uneven: tuple[Readings, ProbingSet, Captured, list[Record]],
) -> None:
    found, probing, both, test = uneven
    n = len(probing.records)
    truth = np.array([record.label for record in test])
    assert both.label_logits is not None
    said = np.array(["no", "yes"])[both.label_logits[n:].argmax(axis=1)]
    bases = [np.mean(said[truth == label] == label) for label in ("no", "yes")]
    assert found.base_accuracy == pytest.approx(np.mean(bases))
    for row in found.rows:
        if not row.layer:
            continue
        states = layer_of(both, row)
        read_out = SuperNeurons(random_state=5).fit(states[:n], probing.y, probing.groups)
        given = read_out.predict(states[n:])
        recalls = [np.mean(given[truth == label] == label) for label in ("no", "yes")]
        assert row.accuracy == pytest.approx(np.mean(recalls))
        assert row.agreement == pytest.approx(np.mean(given == said))
    # Balanced accuracy is not the share of right answers here, nor agreement with the model.
    assert any(row.accuracy != row.agreement for row in found.rows)


def test_the_setting_says_what_was_read(
    uneven: tuple[Readings, ProbingSet, Captured, list[Record]], llava: VLM
) -> None:
    found, probing, _, test = uneven
    assert found.setting["probing_records"] == len(probing.records) == 20
    assert found.setting["test_records"] == len(test) > 12
    assert (found.setting["seed"], found.setting["layers"]) == (5, llava.n_layers)
    assert found.setting["timing"]["rounds"] == 0


def test_progress_is_told_step_by_step_in_batches_of_the_size_given(
    llava: VLM, batch_sizes: list[int], told_steps: Any
) -> None:
    read_layers(
        llava, bright_records(10), bright_records(5, seed=1), batch_size=6, steps=told_steps
    )
    assert batch_sizes == [6, 6, 3, 1]  # and one record to count the tokens of the prompt
    assert told_steps.of("running the model")[-1] == (15, 15)
    assert told_steps.told[-2:] == [("reading layers", 1, 2), ("reading layers", 2, 2)]


def test_two_answers_are_balanced_by_the_seed() -> None:
    probe = [*bright_records(12), *[r for r in bright_records(20, seed=1) if r.label == "no"]]
    first, other = (two_answers(probe, seed) for seed in (0, 1))
    for probing in (first, other):
        assert sorted(probing.y.tolist()) == ["no"] * 6 + ["yes"] * 6
    assert first.records != other.records
    assert first.records == two_answers(probe).records


def test_options_of_each_records_own_are_refused_by_name() -> None:
    with pytest.raises(DataError, match="options of each record's own"):
        two_answers(choices(12))
    with pytest.raises(DataError, match="dark, grey, pale"):
        two_answers(shades(12))


def test_labels_that_the_first_token_cannot_tell_are_refused_before_the_model_runs(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alike(records: list[Record]) -> list[Record]:
        names = {"no": "cat", "yes": "cow"}
        return [replace(record, label=names[str(record.label)]) for record in records]

    asked = prompts_asked(monkeypatch)
    with pytest.raises(ModelError, match="says too little"):
        read_layers(llava, alike(bright_records(8)), alike(bright_records(4, seed=1)))
    assert not asked
