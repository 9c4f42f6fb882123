from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, shades
from superneurons.activations.capture import Captured
from superneurons.activations.site import Site
from superneurons.evaluate.controls import best_neuron, random_control, shuffled_control
from superneurons.evaluate.null import random_neurons, shuffled_maximum
from superneurons.evaluate.pool import Part, Pool, two_parts
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import probing_set
from superneurons.task.groups import group_ids
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

N, LAYERS, WIDTH = 120, 4, 32


def pool_of(records: list[Record], states: np.ndarray, multiclass: str = "native") -> Pool:
    probing = probing_set(records, balanced=False, seed=0, multiclass=multiclass)  # type: ignore[arg-type]
    parents = np.repeat(np.arange(len(records)), len(probing.records) // len(records))
    return Pool(probing, parents, Captured({Site(): states.astype(np.float16)}))


@pytest.fixture(scope="module")
def informed() -> tuple[Pool, Part]:
    """Two of many neurons know the answer."""
    records = bright_records(N)
    states = np.random.default_rng(0).normal(size=(N, LAYERS, WIDTH))
    truth = np.array([record.label == "yes" for record in records])
    states[:, 2, [4, 9]] += np.where(truth, 2.0, -2.0)[:, None]
    (part,) = two_parts(records[:80], records[80:])
    return pool_of(records, states), part


def test_the_best_neuron_stands_out_of_what_chance_gives(informed: tuple[Pool, Part]) -> None:
    pool, part = informed
    found = best_neuron(pool, Site(), part.train, shuffles=50, seed=0)
    assert found is not None
    states = pool.captured.activations[part.train].reshape(80, -1)
    truth = np.array([pool.probing.records[i].label == "yes" for i in part.train])
    assert found.accuracy == pytest.approx(max(np.mean((states > 0) == truth[:, None], axis=0)))
    assert found.null_maximum < found.accuracy
    assert 0.55 < found.null_maximum < 0.8  # the best of 128 coins in 80 tosses
    assert found.shuffles == 50


def test_without_anything_to_find_it_does_not() -> None:
    records = bright_records(N)
    states = np.random.default_rng(1).normal(size=(N, LAYERS, WIDTH))
    found = best_neuron(pool_of(records, states), Site(), np.arange(N), shuffles=100, seed=0)
    assert found is not None
    assert found.accuracy < found.null_maximum + 0.03


def test_the_sign_rule_knows_two_answers_only() -> None:
    records = shades(24)
    states = np.zeros((24, 1, 2))
    assert best_neuron(pool_of(records, states), Site(), np.arange(24), shuffles=20, seed=0) is None
    unrolled = pool_of(records, np.random.default_rng(0).normal(size=(72, 1, 2)), "unrolled")
    assert best_neuron(unrolled, Site(), np.arange(24), shuffles=20, seed=0) is not None


def test_controls_are_near_chance_where_few_neurons_know(
    informed: tuple[Pool, Part], llava: VLM
) -> None:
    pool, part = informed
    classifier = SuperNeuronClassifier(llava, read_out_params={"max_neurons": 2})
    rows = pool.balanced_rows(part.train, 0)
    classifier.fit_captured(pool.probing_set(rows), pool.at(Site(), rows))
    test = pool.probing.records[80:]
    answers = classifier.answer_captured(test, pool.at(Site(), part.test))
    right = np.mean([a.label == r.label for a, r in zip(answers, test, strict=True)])
    assert right > 0.9
    assert random_control(classifier, pool, part, site=Site(), seed=0) < 0.75
    assert shuffled_control(pool, [part], site=Site(), seed=0) < 0.75


def test_controls_do_not_blame_the_data_for_shuffled_labels(llava: VLM) -> None:
    """Warnings are errors here: one picture asked twice contradicts itself once shuffled."""
    once = bright_records(40)
    records = [r for record in once for r in (record, replace(record, question="And so?"))]
    states = np.repeat(np.random.default_rng(0).normal(size=(40, 2, 32)), 2, axis=0)
    pool, (part,) = pool_of(records, states), two_parts(records[:60], records[60:])
    assert 0 <= shuffled_control(pool, [part], site=Site(), seed=0) <= 1


def test_random_neurons_come_from_the_layers_that_are_read(
    informed: tuple[Pool, Part], llava: VLM
) -> None:
    """What only a deeper layer knows is not drawn, and the draws are those of the seed."""
    pool, part = informed
    rows = pool.balanced_rows(part.train, 4)
    few = {"max_neurons": 4}
    shallow = SuperNeuronClassifier(llava, max_layer=2, random_state=4, read_out_params=few)
    shallow.fit_captured(pool.probing_set(rows), pool.at(Site(), rows))
    depth = max(neuron.layer for neuron in shallow.neurons_)
    assert depth <= 2
    found = random_control(shallow, pool, part, site=Site(), seed=4)
    train, test = pool.probing_set(rows), pool.probing_set(part.test)
    expected = random_neurons(
        SuperNeurons(random_state=4),
        (pool.captured.activations[rows, :depth].reshape(len(rows), -1), train.y),
        (pool.captured.activations[part.test, :depth].reshape(len(part.test), -1), test.y),
        n_neurons=len(shallow.neurons_), groups=train.groups, n_draws=5, seed=4,
    )  # fmt: skip
    assert found == pytest.approx(expected.mean())


def test_shuffled_labels_are_fitted_anew_in_each_part(informed: tuple[Pool, Part]) -> None:
    pool, part = informed
    turned = Part(part.test, part.train)
    each = []
    for one in (part, turned):
        rows = pool.balanced_rows(one.train, 7)
        train, test = pool.probing_set(rows).shuffled(7), pool.probing_set(one.test)
        flat = pool.captured.activations.reshape(N, -1)
        read_out = SuperNeurons(random_state=7, layer_width=WIDTH)
        read_out.fit(flat[rows], train.y, groups=train.groups)
        given = read_out.predict(flat[one.test])
        recalls = [np.mean(given[test.y == label] == label) for label in ("no", "yes")]
        each.append(np.mean(recalls))
    assert shuffled_control(pool, [part, turned], site=Site(), seed=7) == pytest.approx(
        np.mean(each)
    )


def test_the_null_is_drawn_by_the_seed_over_whole_groups(informed: tuple[Pool, Part]) -> None:
    pool, part = informed
    grouped = [replace(r, group=f"g{i // 3}") for i, r in enumerate(pool.probing.records)]
    own = pool_of(grouped, pool.captured.activations)
    rows = own.balanced_rows(part.train, 5)
    flat = own.captured.activations[rows].reshape(len(rows), -1)
    truth = np.array([grouped[row].label == "yes" for row in rows])
    groups = group_ids([grouped[row] for row in rows])
    maxima = shuffled_maximum(flat, truth, 30, groups=groups, seed=5)
    found = best_neuron(own, Site(), part.train, shuffles=30, seed=5)
    assert found is not None
    assert found.null_maximum == pytest.approx(np.quantile(maxima, 0.95))
    assert found != best_neuron(own, Site(), part.train, shuffles=30, seed=6)
