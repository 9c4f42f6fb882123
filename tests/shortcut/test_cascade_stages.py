from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, choices, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import Neuron
from superneurons.errors import DataError
from superneurons.probes.logits import CalibratedLogits
from superneurons.shortcut.cascade_stages import (
    SITE,
    Stage,
    fit_base,
    fit_stage,
    outcome,
    three_parts,
)
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.record import Record
from superneurons.vlm.answer import label_words
from superneurons.vlm.model import VLM


def asked(records: list[Record]) -> ProbingSet:
    return probing_set(records, balanced=False, seed=0)


def in_groups(n: int, size: int) -> list[Record]:
    return [replace(r, group=f"g{i // size}") for i, r in enumerate(bright_records(n))]


@pytest.mark.parametrize("make", [bright_records, shades, choices])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_parts_are_all_of_the_records_once(make: type, seed: int) -> None:
    probing = asked(make(48))
    parts = three_parts(probing, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(48))
    assert [len(part) for part in parts] == pytest.approx([24, 12, 12], abs=3)
    if make is not choices:
        for part in parts:
            assert set(probing.y[part]) == set(probing.y)


def test_no_group_is_parted() -> None:
    probing = asked(in_groups(60, 6))
    parts = [set(probing.groups[part].tolist()) for part in three_parts(probing, seed=0)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_too_few_records_are_refused_with_their_labels() -> None:
    records = bright_records(20)
    few = [r for i, r in enumerate(records) if r.label == "no" or i < 6]
    with pytest.raises(DataError, match="Too few records for a cascade") as caught:
        three_parts(asked(few), seed=0)
    problems = [(problem.where, problem.what) for problem in caught.value.problems]
    assert problems == [("label 'yes'", "in 3 groups")]


def test_a_stage_reads_no_deeper_than_its_layer(vlm: VLM) -> None:
    records = bright_records(30)
    activations = capture(vlm, records).activations
    stages = [
        fit_stage(vlm, layer, activations, asked(records), read_out="super-neurons",
                  read_out_params=None, seed=0)
        for layer in (1, 3)
    ]  # fmt: skip
    assert [max(n.layer for n in stage.neurons) for stage in stages] == [1, 3]
    untouched = activations.copy()
    untouched[:, 1:] = np.nan
    np.testing.assert_array_equal(
        stages[0].take(untouched, records), stages[0].take(activations, records)
    )
    with pytest.raises(DataError, match="no finite numbers") as caught:
        stages[1].take(untouched, records)
    assert len(caught.value.problems) == 30


@pytest.mark.parametrize("make", [bright_records, shades, choices])
def test_each_stage_answers_for_itself(vlm: VLM, make: type) -> None:
    records = make(36)
    probing = asked(records)
    words = label_words(vlm.processor, sorted(set(probing.y.tolist())))
    captured = capture(vlm, probing.records, words=words)
    assert captured.label_logits is not None
    stage = fit_stage(
        vlm, 2, captured.at(SITE).activations, probing,
        read_out="super-neurons", read_out_params={"max_neurons": 10}, seed=0,
    )  # fmt: skip
    base = fit_base(vlm, captured.label_logits, probing)
    assert base.is_base
    assert base.layer == vlm.n_layers
    assert len(stage.neurons) <= 10
    values = [stage.take(captured.activations, probing.records), captured.label_logits]
    found = outcome([stage, base], records, values, probing.form, probing.labels)
    assert found.right.shape == found.confidence.shape == (36, 2)
    # it was fitted on these
    assert found.right[:, 0].mean() > 0.6
    least = 1 / max(len(r.options or probing.labels) for r in records)
    assert (found.confidence >= least - 1e-9).all()
    for given, record, right in zip(found.labels[0], records, found.right[:, 0], strict=True):
        assert (given == record.label) == right
        assert given in (record.options or probing.labels)


def test_what_reads_neurons_is_not_the_base() -> None:
    assert Stage(3, CalibratedLogits()).is_base
    assert not Stage(3, CalibratedLogits(), (Neuron(1, 0),)).is_base
