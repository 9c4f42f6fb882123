from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, shades
from superneurons.activations.capture import capture
from superneurons.errors import DataError
from superneurons.evaluate.robustness.neuron_overlap import neuron_overlap
from superneurons.evaluate.robustness.overlap import (
    KINDS,
    Overlaps,
    check_learnable,
    study_overlap,
)
from superneurons.probes.scores import neuron_scores
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.task.split import grouped_split
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

TASKS = {
    "bright": bright_records(48),
    "bright again": bright_records(48, seed=1),
    "shade": shades(48),
}


@pytest.fixture(scope="module")
def found(llava: VLM) -> Overlaps:
    return study_overlap(llava, TASKS, most=8)


def columns(clf: SuperNeuronClassifier, width: int) -> list[int]:
    return [(neuron.layer - 1) * width + neuron.index for neuron in clf.neurons_]


def test_every_pair_and_every_task_with_itself(found: Overlaps) -> None:
    names = list(TASKS)
    for kind in KINDS:
        pairs = {frozenset((p.first, p.second)) for p in found.pairs if p.kind == kind}
        assert len(pairs) == 6
        assert found.pair(kind, names[0], names[2]) is found.pair(kind, names[2], names[0])


@pytest.mark.parametrize(("kind", "read_out"), [(KINDS[0], "paper"), (KINDS[2], "super-neurons")])
def test_chosen_neurons_are_those_of_classifiers(
    found: Overlaps, llava: VLM, kind: str, read_out: str
) -> None:
    width = llava.shape("residual")[1]
    sets = [
        columns(SuperNeuronClassifier(llava, read_out=read_out).fit(TASKS[name]), width)
        for name in ("bright", "bright again")
    ]
    pair = found.pair(kind, "bright", "bright again")
    assert pair.overlap == neuron_overlap(*sets, width=width)


def test_on_the_diagonal_are_halves(found: Overlaps, llava: VLM) -> None:
    records = TASKS["bright"]
    width = llava.shape("residual")[1]
    halves = [[records[i] for i in half] for half in grouped_split(records, test_size=0.5, seed=0)]
    sets = [columns(SuperNeuronClassifier(llava).fit(half), width) for half in halves]
    pair = found.pair(KINDS[2], "bright", "bright")
    assert pair.overlap == neuron_overlap(*sets, width=width)


def test_equally_many_are_the_best_ones(found: Overlaps, llava: VLM) -> None:
    assert found.equal[KINDS[1]] == 8
    best = []
    for name in ("bright", "bright again"):
        X = capture(llava, TASKS[name]).flat
        truth = [record.label == "yes" for record in TASKS[name]]
        best.append(np.argsort(-neuron_scores(X, truth), kind="stable")[:8])
    pair = found.pair(KINDS[1], "bright", "bright again")
    assert pair.overlap == neuron_overlap(*best, width=llava.shape("residual")[1])
    heaviest = [p.overlap for p in found.pairs if p.kind == KINDS[3]]
    assert {o.first for o in heaviest} == {o.second for o in heaviest} == {found.equal[KINDS[3]]}


def test_the_same_task_drawn_anew_shares_more_than_chance(found: Overlaps) -> None:
    same = found.pair(KINDS[1], "bright", "bright again").overlap
    assert same.jaccard > same.chance_95
    assert same.p_value < 0.01


def test_the_same_records_share_all(llava: VLM) -> None:
    same = study_overlap(llava, {"a": TASKS["bright"], "b": list(TASKS["bright"])}, most=5)
    for kind in KINDS:
        assert same.pair(kind, "a", "b").overlap.jaccard == 1


def test_turned_labels_are_the_same_neurons_weighed_otherwise(
    llava: VLM, turned: Callable[[Sequence[Record]], list[Record]]
) -> None:
    found = study_overlap(llava, {"a": TASKS["bright"], "b": turned(TASKS["bright"])})
    assert found.pair(KINDS[2], "a", "b").overlap.jaccard == 1
    assert found.pair(KINDS[0], "a", "b").overlap.jaccard == 0  # the paper's have a sign


def test_tables_show_jaccard_and_chance(found: Overlaps) -> None:
    sheets = found.tables()
    assert [sheet.title.split(":")[0].split(", K =")[0] for sheet in sheets] == list(KINDS)
    for sheet, kind in zip(sheets, KINDS, strict=True):
        assert sheet.header[1:] == tuple(TASKS)
        cell = sheet.rows[0][2]
        overlap = found.pair(kind, "bright", "bright again").overlap
        assert cell.startswith(f"{100 * overlap.jaccard:.1f} ({100 * overlap.chance:.1f})")
        assert cell.endswith("*") == (overlap.p_value < 0.01)
        assert all(len(line) <= 100 for line in sheet.text().splitlines())


def test_it_is_json(found: Overlaps) -> None:
    made = json.loads(json.dumps(found.as_dict()))
    assert made["setting"]["records"] == dict.fromkeys(TASKS, 48)
    assert len(made["pairs"]) == len(found.pairs)


def test_each_record_is_run_once(llava: VLM, questions_run: list[Record]) -> None:
    study_overlap(llava, {name: TASKS[name] for name in ("bright", "bright again")}, most=3)
    assert len(questions_run) == 48 + 48 + 1  # and one to count its tokens


def test_two_tasks_are_needed(llava: VLM) -> None:
    with pytest.raises(DataError, match="1 tasks"):
        study_overlap(llava, {"a": TASKS["bright"]})
    with pytest.raises(DataError, match="0 neurons"):
        study_overlap(llava, TASKS, most=0)


def test_unknown_pairs_are_refused(found: Overlaps) -> None:
    with pytest.raises(DataError, match="no pair 'bright', 'dark'"):
        found.pair(KINDS[0], "bright", "dark")


def test_no_task_gives_more_than_the_one_with_fewest(found: Overlaps, llava: VLM) -> None:
    """The heaviest of each: as many as the smallest set has, of a task or of one of its halves."""
    sizes = []
    for records in TASKS.values():
        halves = grouped_split(records, test_size=0.5, seed=0)
        for part in (records, *([records[i] for i in half] for half in halves)):
            sizes.append(len(SuperNeuronClassifier(llava).fit(part).neurons_))
    assert found.equal[KINDS[3]] == min(8, *sizes)


def test_chance_stays_within_the_layers_of_a_set(found: Overlaps, llava: VLM) -> None:
    width = llava.shape("residual")[1]
    for pair in found.pairs:
        overlap = pair.overlap
        assert 0 <= overlap.chance <= 1
        assert 0 <= overlap.chance_95 <= 1
        most = min(overlap.first, overlap.second)
        assert overlap.chance <= most / max(overlap.first, overlap.second)
        assert overlap.shared <= most <= width * llava.n_layers


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(order="question-first")
    asked = prompts_asked(monkeypatch)
    tasks = {name: TASKS[name] for name in ("bright", "bright again")}
    study_overlap(llava, tasks, most=3, prompt=prompt, batch_size=5)
    assert set(asked) == {prompt}


def test_the_heaviest_are_those_that_a_standard_deviation_moves_most(llava: VLM) -> None:
    """Seed 3, for its halves and its fits."""
    tasks = {"bright": bright_records(24), "bright again": bright_records(24, seed=1)}
    found = study_overlap(llava, tasks, most=6, seed=3)
    width, sets = llava.shape("residual")[1], []
    halves = grouped_split(tasks["bright"], test_size=0.5, seed=3)
    parts = [tasks["bright again"], *([tasks["bright"][i] for i in half] for half in halves)]
    for records in (tasks["bright"], *parts):
        clf = SuperNeuronClassifier(llava, random_state=3).fit(records)
        own = np.array(columns(clf, width))
        spread = capture(llava, records).flat[:, own].astype(float).std(axis=0)
        weight = np.abs(clf.read_out_.coef_[:, 0]) * spread  # type: ignore[attr-defined]
        assert len(own) >= 6
        sets.append(own[np.argsort(-weight, kind="stable")[:6]])
    assert found.equal[KINDS[3]] == 6
    pair = found.pair(KINDS[3], "bright", "bright again")
    assert pair.overlap == neuron_overlap(sets[0], sets[1], width=width)
    own = found.pair(KINDS[3], "bright", "bright")
    assert own.overlap == neuron_overlap(sets[2], sets[3], width=width)


def test_tasks_that_cannot_be_learnt_are_all_named_before_the_model_runs(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "encode", None)
    one_answer = [record for record in TASKS["bright"] if record.label == "yes"]
    tasks = {
        "fine": TASKS["bright"],
        "alone": one_answer,
        "unlabelled": [replace(record, label=None) for record in TASKS["bright"][:4]],
        "few": bright_records(3),
    }
    with pytest.raises(DataError, match="can't be learnt") as caught:
        study_overlap(llava, tasks)
    named = [problem.where.split(":")[0] for problem in caught.value.problems]
    assert list(dict.fromkeys(named)) == ["alone", "unlabelled", "few"]
    assert named.count("unlabelled") == 4
    assert "'yes'" in caught.value.problems[0].what
    check_learnable({"fine": TASKS["bright"]})


def test_k_stands_over_the_tables_that_have_one(found: Overlaps) -> None:
    titles = [sheet.title for sheet in found.tables()]
    assert [", K = " in title for title in titles] == [False, True, False, True]
    assert titles[1] == f"{KINDS[1]}, K = 8: Jaccard, %"


def test_one_neuron_of_each_is_enough_in_batches_that_are_told(
    llava: VLM, batch_sizes: list[int], told_steps: Any
) -> None:
    tasks = {"a": bright_records(20), "b": bright_records(20, seed=1)}
    found = study_overlap(llava, tasks, most=1, batch_size=15, seed=2, steps=told_steps)
    assert batch_sizes == [15, 5, 15, 5, 1]
    assert found.equal == {KINDS[1]: 1, KINDS[3]: 1}
    for kind in (KINDS[1], KINDS[3]):
        for first, second in (("a", "a"), ("a", "b"), ("b", "b")):
            overlap = found.pair(kind, first, second).overlap
            assert (overlap.first, overlap.second) == (1, 1)
    for name in tasks:
        assert told_steps.of(f"fitting {name}") == [(1, 3), (2, 3), (3, 3)]
    assert found.setting["seed"] == 2
