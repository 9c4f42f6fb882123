from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from pictures import bright_records, shades
from scale.threads import on_threads
from superneurons.activations.capture import capture
from superneurons.errors import DataError, MismatchError
from superneurons.probes.scores import neuron_scores
from superneurons.scale.probing import Probe, ShardWork, probe_on_rank, probe_set, shards_of
from superneurons.scale.ranks import Rank
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM

RECORDS = bright_records(40, seed=3)


def params(llava_path: Path, **more: Any) -> dict[str, Any]:
    return {"model": str(llava_path), "batch_size": 2, "device": "cpu", "max_layer": 3, **more}


def test_two_ranks_capture_and_count_what_one_process_does(
    llava: VLM, llava_path: Path, tmp_path: Path
) -> None:
    given = params(llava_path)
    probing, site = probe_set(given, RECORDS)
    store = tmp_path / "store"
    found, second = on_threads(2, lambda rank: probe_on_rank(rank, given, probing, site, store))
    assert np.array_equal(found.counts.as_array(), second.counts.as_array())
    alone = probe_on_rank(Rank(), given, probing, site, tmp_path / "alone")
    assert (found.questions, found.shape, found.shards) == (40, (3, llava.hidden_size), 3)
    for metric in ("accuracy", "f1"):
        assert np.array_equal(found.counts.scores(metric), alone.counts.scores(metric))
    direct = capture(llava.truncated(3), probing.records, batch_size=2)
    assert np.array_equal(found.counts.scores(), neuron_scores(direct.flat, probing.y == "yes"))
    names = {path.parent.name: path.name for path in store.glob("part-*/shard-*")}
    assert set(names) == {"part-00000", "part-00001"}
    for shard in (tmp_path / "alone").glob("shard-*"):
        (copy,) = store.glob(f"part-*/{shard.name}")
        assert copy.read_bytes() == shard.read_bytes()

    fitted = {}
    for name in (store, tmp_path / "alone"):
        clf = SuperNeuronClassifier(llava, batch_size=2, max_layer=3, activations=name)
        with patch.object(llava.model, "forward", side_effect=AssertionError):
            fitted[name] = clf.fit(RECORDS)
    one, other = fitted.values()
    assert one.neurons_ == other.neurons_
    states = one.read_out_.get_state(), other.read_out_.get_state()
    assert states[0].values == states[1].values
    for name, array in states[0].arrays.items():
        assert np.array_equal(array, states[1].arrays[name])


def test_shards_that_are_there_are_not_captured_again(llava_path: Path, tmp_path: Path) -> None:
    given = params(llava_path)
    probing, site = probe_set(given, RECORDS)
    probe = Probe(given, probing, site)
    list(probe.capture(tmp_path / "part-00007", [1]))
    (tmp_path / "part-00007" / "plan.json").write_text(
        json.dumps(json.loads(json.dumps(probe.plan.__dict__)))
    )
    told: list[tuple[int, int]] = []
    asked: list[list[int]] = []
    real = Probe.capture

    def noted(self: Probe, directory: Path, numbers: list[int]) -> Any:
        asked.append(list(numbers))
        return real(self, directory, numbers)

    with patch.object(Probe, "capture", noted):
        found = probe_on_rank(
            Rank(), given, probing, site, tmp_path,
            progress=lambda done, total: told.append((done, total)),
        )  # fmt: skip
    assert asked == [[0, 2]]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert found.counts is not None
    assert found.counts.n_positive + found.counts.n_negative == 40


def test_more_answers_are_captured_but_not_counted(llava_path: Path, tmp_path: Path) -> None:
    given = params(llava_path)
    probing, site = probe_set(given, shades(12))
    found = probe_on_rank(Rank(), given, probing, site, tmp_path)
    assert (found.counts, found.positive, found.questions) == (None, None, 12)


def test_what_fit_refuses_is_refused_before_a_model_is_opened() -> None:
    with pytest.raises(DataError, match="label"):
        probe_set({"model": "nowhere"}, bright_records(1))
    with pytest.raises(DataError, match="read-out"):
        probe_set({"model": "nowhere", "read_out": "tea leaves"}, RECORDS)


def test_a_store_of_something_else_is_refused(llava_path: Path, tmp_path: Path) -> None:
    given = params(llava_path)
    few, site = probe_set(given, RECORDS[:4])
    probe_on_rank(Rank(), given, few, site, tmp_path)
    probing, _ = probe_set(given, RECORDS)
    with pytest.raises(MismatchError):
        probe_on_rank(Rank(), given, probing, site, tmp_path)
    with pytest.raises(MismatchError):
        ShardWork(given, probing, site, tmp_path)


def test_shards_one_by_one_make_the_same_store(llava_path: Path, tmp_path: Path) -> None:
    given = params(llava_path)
    probing, site = probe_set(given, RECORDS)
    probe_on_rank(Rank(), given, probing, site, tmp_path / "alone")
    work = ShardWork(given, probing, site, tmp_path / "store")
    for number in (2, 0, 1, 1):  # one of them twice, as after a death
        assert work(number) == {"number": number}
    for shard in (tmp_path / "alone").glob("shard-*"):
        assert (tmp_path / "store" / shard.name).read_bytes() == shard.read_bytes()


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_shards_are_numbered_before_a_model_is_opened(llava_path: Path, batch_size: int) -> None:
    given = params(llava_path, batch_size=batch_size)
    probing, site = probe_set(given, RECORDS)
    unopened = shards_of({**given, "model": "nowhere"}, probing)
    plan = Probe(given, probing, site).plan
    assert unopened == plan.shards
    rows = [n for number in plan.shards for n in range(40)[plan.records_of(number)]]
    assert rows == list(range(40))


def test_what_was_done_is_summed_up(llava: VLM, llava_path: Path) -> None:
    given = params(llava_path)
    probing, site = probe_set(given, RECORDS)
    probe = Probe(given, probing, site)
    counter = probe.counter()
    assert counter is not None
    counts, positive = counter
    assert not counts.as_array().any()
    assert len(counts.true_positives) == len(probe.layers) == 3 * llava.hidden_size
    assert positive.tolist() == [label == "yes" for label in probing.y]
    assert probe.layers.tolist() == [k for k in (1, 2, 3) for _ in range(llava.hidden_size)]
    told, silent = probe.told(counts), probe.told(None)
    assert (told.questions, told.site, told.shards) == (40, str(site), len(probe.plan.shards))
    assert (told.counts, told.positive, told.fitted) == (counts, "yes", None)
    assert (silent.counts, silent.positive) == (None, None)
    assert told.shape == silent.shape == (3, llava.hidden_size)


def test_balancing_and_the_form_of_the_task_are_those_of_a_fit(llava_path: Path) -> None:
    uneven = [r for n, r in enumerate(RECORDS) if r.label == "yes" or n < 10]
    whole, _ = probe_set(params(llava_path, balanced=False), uneven)
    even, _ = probe_set(params(llava_path, balanced=True), uneven)
    assert (len(whole.records), len(even.records)) == (25, 10)
    assert sorted(even.y.tolist()) == ["no"] * 5 + ["yes"] * 5
    unrolled, _ = probe_set(params(llava_path, read_out="paper"), shades(12))
    assert len(unrolled.records) > 12
    assert set(unrolled.y.tolist()) == {"no", "yes"}
