from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, coloured
from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE, Comparison
from superneurons.evaluate.depths import compare_depths
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def compared(vlm: VLM) -> tuple[Comparison, SuperNeuronClassifier]:
    probe, test = bright_records(24), bright_records(16, seed=1)
    return compare_depths(vlm, probe, test, depths=(2, 1, 99), repeats=2)


def test_everything_to_beat_is_there(compared: tuple[Comparison, SuperNeuronClassifier]) -> None:
    names = [row.name for row in compared[0].rows]
    assert names == [
        "majority class",
        "text only",
        GENERATE,
        FIRST_TOKEN,
        "calibrated logits",
        "Super Neurons, paper's rule",
        "Super Neurons, paper's rule, layers ≤ 1",
        "Super Neurons, paper's rule, layers ≤ 2",
        "Super Neurons, shuffled labels",
    ]


def test_a_row_scores_what_its_classifier_would_answer(
    vlm: VLM, compared: tuple[Comparison, SuperNeuronClassifier]
) -> None:
    found, classifier = compared
    test = bright_records(16, seed=1)
    rows = {row.name: row for row in found.rows}
    direct = classifier.score(test)
    assert rows["Super Neurons, paper's rule"].scores.accuracy == direct  # type: ignore[union-attr]
    shallow = SuperNeuronClassifier(vlm, read_out="paper", max_layer=1).fit(bright_records(24))
    row = rows["Super Neurons, paper's rule, layers ≤ 1"]
    assert row.scores.accuracy == shallow.score(test)  # type: ignore[union-attr]
    assert row.exit_layer == 1
    assert row.neurons == len(shallow.neurons_)


def test_the_pictureless_rows_are_at_chance(
    compared: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    for row in compared[0].rows[:2]:
        assert row.scores is not None
        assert row.scores.balanced_accuracy == 0.5
        assert row.timing is None


def test_each_row_keeps_what_it_answered(
    compared: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    found, classifier = compared
    truth = [record.label for record in found.test]
    assert len(truth) == 16
    for row in found.rows:
        assert row.answers is not None
        assert row.scores is not None
        assert row.scores.accuracy == np.mean(np.array(row.answers.labels) == truth)
    rows = {row.name: row for row in found.rows}
    ours = rows["Super Neurons, paper's rule"].answers
    assert ours is not None
    assert ours.labels == classifier.predict(bright_records(16, seed=1)).tolist()
    assert ours.probabilities is not None
    assert ours.probabilities.shape == (16, 2)


def test_the_classifiers_can_be_seen_with_what_they_were_fitted_on(llava: VLM) -> None:
    seen: list[Any] = []
    found, first = compare_depths(
        llava, bright_records(24), bright_records(8, seed=1), depths=(1,), repeats=1,
        generate=False, witness=lambda *what: seen.append(what),
    )  # fmt: skip
    ((passes, fitted),) = seen
    assert list(fitted) == [row.name for row in found.rows if row.name in fitted]
    assert next(iter(fitted.values())) is first
    assert len(passes.captured) == 24
    assert len(passes.captured_test) == 8


def test_labels_need_not_be_equally_frequent(llava: VLM) -> None:
    rare = [record for i, record in enumerate(bright_records(30)) if i % 2 or i % 3 == 0]
    found, classifier = compare_depths(
        llava, rare, bright_records(8, seed=1), depths=(1,), generate=False, repeats=1
    )
    assert classifier.probing_["questions"] == 10
    scores = {row.name: row.scores for row in found.rows}
    assert scores["calibrated logits"] is not None


def test_it_is_json_with_its_setting(
    compared: tuple[Comparison, SuperNeuronClassifier],
) -> None:
    value = json.loads(json.dumps(compared[0].as_dict()))
    assert value["setting"]["probing_records"] == 24
    assert value["setting"]["neurons_searched"] == 128
    assert 0.5 < value["null"]["chance_maximum"] < 1
    assert value["null"]["best_neuron_on_probing_set"] <= 1


def test_read_outs_stand_side_by_side(llava: VLM) -> None:
    found, classifier = compare_depths(
        llava,
        bright_records(24),
        bright_records(8, seed=1),
        read_outs=("super-neurons", "paper"),
        depths=(1,),
        generate=False,
        repeats=1,
    )
    names = [row.name for row in found.rows]
    assert names.index("Super Neurons, improved, layers ≤ 1") < names.index(
        "Super Neurons, paper's rule"
    )
    assert classifier.read_out == "super-neurons"
    assert found.rows[2].scores is None  # it was not asked to generate
    assert found.rows[2].timing is not None


@pytest.mark.parametrize("options", [False, True])
def test_more_than_two_answers(llava: VLM, options: bool) -> None:
    found, classifier = compare_depths(
        llava, coloured(24, options), coloured(9, options), depths=(1,), repeats=1
    )
    assert classifier.form_ == "unrolled"
    scores = {row.name: row.scores for row in found.rows}
    assert all(value is not None and np.isfinite(value.accuracy) for value in scores.values())
    majority = scores["majority class"]
    assert majority is not None
    # with options of their own the right one is always the first, which a majority finds
    assert majority.accuracy == pytest.approx(1 if options else 1 / 3)


def test_the_same_seed_gives_the_same_scores(
    vlm: VLM, compared: tuple[Comparison, SuperNeuronClassifier]
) -> None:
    again, _ = compare_depths(
        vlm, bright_records(24), bright_records(16, seed=1), depths=(2, 1, 99), repeats=1
    )
    assert [row.scores for row in again.rows] == [row.scores for row in compared[0].rows]


def test_restricted_rows_show_what_all_their_layers_give(llava: VLM) -> None:
    probe, test = bright_records(24), bright_records(16, seed=1)
    found, chosen = compare_depths(
        llava, probe, test, read_outs=["super-neurons"], depths=(3,), generate=False, repeats=1
    )
    rows = {row.name: row for row in found.rows}
    every = SuperNeuronClassifier(llava, max_layer=3, read_out_params={"tolerance": None}).fit(
        probe
    )
    restricted = rows["Super Neurons, improved, layers ≤ 3"]
    assert restricted.exit_layer == every.exit_layer_
    assert restricted.neurons == len(every.neurons_)
    by_itself = rows["Super Neurons, improved"]
    assert by_itself.exit_layer == chosen.exit_layer_ < every.exit_layer_
