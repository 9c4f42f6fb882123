from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, murky, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import TOKENS, Site
from superneurons.errors import DataError
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.null import shuffled_maximum
from superneurons.evaluate.readings import read_layers
from superneurons.evaluate.rivals import base_task
from superneurons.evaluate.robustness.depth import Depth, study_depth
from superneurons.evaluate.robustness.sheet import percent
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.scores import neuron_scores
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

PROBE, TEST = murky(40), bright_records(24, seed=1)
TRUTH = np.array([record.label for record in TEST])


@pytest.fixture(scope="module")
def found(llava: VLM) -> Depth:
    return study_depth(llava, PROBE, TEST, shuffles=40, seeds=(0, 1))


def test_chosen_neurons_are_counted_where_classifiers_have_them(found: Depth, llava: VLM) -> None:
    for read_out in ("paper", "super-neurons"):
        counts = np.zeros(llava.n_layers)
        for seed in (0, 1):
            probing = probing_set(PROBE, balanced=True, seed=0)
            clf = SuperNeuronClassifier(llava, read_out=read_out, random_state=seed)
            clf.fit_captured(probing, capture(llava, probing.records))
            for neuron in clf.neurons_:
                counts[neuron.layer - 1] += 0.5
        shown = [row.paper if read_out == "paper" else row.improved for row in found.counts]
        assert shown == counts.tolist()


def test_neurons_above_base_and_null_are_counted(found: Depth, llava: VLM) -> None:
    probing = probing_set(PROBE, balanced=True, seed=0)
    states, y = capture(llava, probing.records).activations, probing.y == "yes"
    task = base_task(llava, PROBE, ("no", "yes"))
    said = np.array(task.raw(probing.records, task.logits(llava, probing.records)))
    base = np.mean(said == probing.y)
    for row in found.counts:
        X = states[:, row.layer - 1]
        scores = neuron_scores(X, y)
        null = np.quantile(shuffled_maximum(X, y, 40, groups=probing.groups), 0.95)
        assert (row.best, row.null) == (scores.max(), pytest.approx(null))
        assert row.above_base == np.sum(scores > base + 1e-9)
        assert row.above_null == np.sum(scores > null + 1e-9)
        assert row.above_both == np.sum(scores > max(base, null) + 1e-9)


def test_the_best_neuron_is_scored_on_other_records(found: Depth, llava: VLM) -> None:
    probing = probing_set(PROBE, balanced=True, seed=0)
    states, y = capture(llava, probing.records).activations, probing.y == "yes"
    others = capture(llava, TEST).activations
    for row in found.counts:
        best = int(np.argmax(neuron_scores(states[:, row.layer - 1], y)))
        given = np.where(others[:, row.layer - 1, best] > 0, "yes", "no")
        assert row.held_out == pytest.approx(mean_recall(TRUTH, given))


def test_the_paper_s_rule_reads_every_layer_at_both_tokens(found: Depth, llava: VLM) -> None:
    places = [(row.position, row.layer) for row in found.paper]
    assert places == [(p, k) for p in TOKENS for k in range(1, llava.n_layers + 1)]
    probing = probing_set(PROBE, balanced=True, seed=0)
    for row in (found.paper[0], found.paper[-1]):
        sites = [Site(position=row.position)]
        X, other = (
            capture(llava, records, sites=sites).activations[:, row.layer - 1]
            for records in (probing.records, TEST)
        )
        rule = PaperSuperNeurons(random_state=0).fit(X, probing.y, probing.groups)
        assert row.accuracy == pytest.approx(mean_recall(TRUTH, rule.predict(other)))
        assert 0 <= row.agreement <= 1


def test_readings_are_those_of_the_command_layers(found: Depth, llava: VLM) -> None:
    assert found.readings == read_layers(llava, PROBE, TEST)


def test_the_first_layer_is_read_at_both_tokens(found: Depth) -> None:
    assert [(row.position, row.rule) for row in found.first] == [
        (position, rule)
        for position in TOKENS
        for rule in ("best neuron", "paper's rule", "improved")
    ]
    for row in found.first:
        same = next(
            r for r in found.readings.rows if (r.position, r.layer) == (row.position, 1)
        )  # fmt: skip
        expected = {
            "best neuron": (same.neuron_accuracy, same.neuron_agreement),
            "improved": (same.accuracy, same.agreement),
        }
        if row.rule in expected:
            shown = (row.scores.balanced_accuracy, row.agreement)
            assert shown == pytest.approx(expected[row.rule])


def test_enough_is_the_first_layer_close_to_the_base_model(found: Depth) -> None:
    for position in TOKENS:
        first = found.enough(position)
        good = [
            r.layer
            for r in (*found.readings.rows, *found.paper)
            if r.position == position and r.accuracy >= found.readings.base_accuracy - 0.01
        ]
        assert first == (min(good) if good else None)
    perfect = replace(found, readings=replace(found.readings, base_accuracy=1.02))
    assert perfect.enough("last_prompt") is None


def test_the_model_runs_once_and_once_more_on_its_answer(
    llava: VLM, questions_run: list[Record]
) -> None:
    study_depth(llava, PROBE, TEST, shuffles=20)
    asked = len(probing_set(PROBE, balanced=True, seed=0).records) + len(TEST)
    assert len(questions_run) == asked + 1  # and one to count its tokens


def test_tables_are_narrow_and_complete(found: Depth, llava: VLM) -> None:
    counts, prompt, answer, first = found.tables()
    assert [row[0] for row in counts.rows] == [str(k) for k in range(1, llava.n_layers + 1)]
    assert [row[0] for row in answer.rows] == [str(k) for k in range(llava.n_layers + 1)]
    assert len(prompt.rows) == llava.n_layers
    assert len(first.rows) == 6
    for sheet in (counts, prompt, answer, first):
        assert all(len(line) <= 100 for line in sheet.text().splitlines())
    assert [float(row[6]) for row in counts.rows] == [
        round(100 * row.best, 1) for row in found.counts
    ]


def test_it_is_json(found: Depth, llava: VLM) -> None:
    made = json.loads(json.dumps(found.as_dict()))
    assert made["study"] == "depth"
    assert len(made["counts"]) == llava.n_layers
    assert len(made["first_layer"]) == 6
    assert set(made["enough"]) == set(TOKENS)


def test_two_answers_and_a_seed_are_needed(llava: VLM) -> None:
    with pytest.raises(DataError, match="two answers"):
        study_depth(llava, shades(24), shades(12, seed=1))
    with pytest.raises(DataError, match="no seeds"):
        study_depth(llava, PROBE, TEST, seeds=())


def test_layers_that_know_nothing_have_no_neurons_above_both(llava: VLM) -> None:
    """Labels drawn by lot: what passes the 95th percentile does so by luck, and hardly."""
    rng = np.random.default_rng(3)
    probe, test = (
        [replace(r, label=str(rng.choice(["no", "yes"]))) for r in bright_records(n, seed)]
        for n, seed in ((60, 0), (20, 1))
    )
    found = study_depth(llava, probe, test, shuffles=100)
    assert all(row.best < row.null + 0.1 for row in found.counts)
    assert all((row.above_null > 0) == (row.best > row.null + 1e-9) for row in found.counts)
    planted = study_depth(llava, bright_records(60), test, shuffles=20)
    assert max(row.best - row.null for row in planted.counts) > 0.2


def test_everything_is_asked_in_the_prompt_that_is_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(order="question-first")
    asked = prompts_asked(monkeypatch)
    study_depth(llava, PROBE, TEST, shuffles=20, prompt=prompt, batch_size=5)
    assert set(asked) == {prompt}


def made_up(found: Depth, read: dict[int, float], ruled: dict[int, float]) -> Depth:
    """The model is right 80 times of 100; its answer's token is read without fault at layer 0."""
    row, rule = found.readings.rows[0], found.paper[0]
    rows = [replace(row, layer=k, accuracy=value) for k, value in read.items()]
    rows.append(replace(row, position=TOKENS[1], layer=0, accuracy=1.0))
    paper = [replace(rule, layer=k, accuracy=value) for k, value in ruled.items()]
    paper.append(replace(rule, position=TOKENS[1], layer=1, accuracy=1.0))
    readings = replace(found.readings, base_accuracy=0.8, rows=tuple(rows))
    return replace(found, readings=readings, paper=tuple(paper))


@pytest.mark.parametrize(
    ("read", "ruled", "first"),
    [
        ({1: 0.5, 2: 0.79, 3: 0.9}, {1: 0.5}, 2),
        ({1: 0.7899, 2: 0.7899}, {1: 0.5}, None),
        ({1: 0.5, 2: 0.9}, {1: 0.79}, 1),
        ({1: 0.8 - 0.01}, {2: 0.9}, 1),
        ({3: 0.9}, {2: 0.95}, 2),
        ({2: 0.79 - 1e-12}, {}, 2),
    ],
)
def test_enough_is_within_a_point_by_either_rule_at_that_token(
    found: Depth, read: dict[int, float], ruled: dict[int, float], first: int | None
) -> None:
    depth = made_up(found, read, ruled)
    assert depth.enough(TOKENS[0]) == first
    assert depth.enough(TOKENS[1]) == 0
    assert depth.as_dict()["enough"] == {TOKENS[0]: first, TOKENS[1]: 0}
    said = depth.tables()[1].notes[0]
    assert f"First layer within a point of it: {'none' if first is None else first}." in said
    assert "balanced accuracy is 80.0%" in said


def test_each_token_has_a_table_of_its_own_figures(found: Depth) -> None:
    for position, sheet in zip(TOKENS, found.tables()[1:3], strict=True):
        readings = [row for row in found.readings.rows if row.position == position]
        rule = {row.layer: row.accuracy for row in found.paper if row.position == position}
        assert len(readings) == len(sheet.rows)
        for row, shown in zip(readings, sheet.rows, strict=True):
            assert shown == (
                str(row.layer), percent(row.neuron_accuracy), percent(rule.get(row.layer)),
                percent(row.accuracy), percent(row.neuron_agreement), percent(row.agreement),
            )  # fmt: skip
    assert found.tables()[2].rows[0][2] == percent(None)  # no rule reads the embedding


def test_counts_stand_in_the_table_as_they_were_counted(found: Depth) -> None:
    counts, first = found.tables()[0], found.tables()[3]
    for row, shown in zip(found.counts, counts.rows, strict=True):
        assert shown[1:3] == (f"{row.paper:.1f}", f"{row.improved:.1f}")
        assert shown[3:6] == (str(row.above_base), str(row.above_null), str(row.above_both))
        assert shown[6:] == tuple(percent(v) for v in (row.best, row.null, row.held_out))
    assert "seeds: 2, mean" in counts.notes[0]
    assert [row[0] for row in first.rows][:2] == ["prompt, best neuron", "prompt, paper's rule"]
    assert first.rows[-1][0] == "answer, improved"
    assert first.notes == ("Majority class: accuracy 50.0%.",)
    assert [row[4] for row in first.rows] == [percent(row.agreement) for row in found.first]


def test_the_first_seed_is_that_of_all_else(
    llava: VLM, told_steps: Any, batch_sizes: list[int]
) -> None:
    found = study_depth(
        llava, PROBE, TEST, shuffles=25, seeds=(3,), batch_size=30, steps=told_steps
    )
    probing = probing_set(PROBE, balanced=True, seed=3)
    n = len(probing.records)
    assert batch_sizes == [30, n + len(TEST) - 30, 1]
    assert told_steps.of("counting neurons") == [(k, 4) for k in range(1, 5)]
    states = capture(llava, [*probing.records, *TEST], batch_size=30).activations
    task = base_task(llava, PROBE, ("no", "yes"))
    said = np.array(task.raw(TEST, task.logits(llava, TEST)))
    for row, rule in zip(found.counts, found.paper[:4], strict=True):
        X = states[:, row.layer - 1]
        maxima = shuffled_maximum(X[:n], probing.y == "yes", 25, groups=probing.groups, seed=3)
        assert row.null == pytest.approx(np.quantile(maxima, 0.95))
        fitted = PaperSuperNeurons(random_state=3).fit(X[:n], probing.y, probing.groups)
        given = fitted.predict(X[n:])
        assert rule.accuracy == pytest.approx(mean_recall(TRUTH, given))
        assert rule.agreement == pytest.approx(np.mean(given == said))
        assert row.above_both <= min(row.above_base, row.above_null)
    assert found.seeds == (3,)
    assert found.readings.setting["seed"] == 3
