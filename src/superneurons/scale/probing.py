"""Capture a probing set by itself, on one process or many, for a later fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers.utils.logging import disable_progress_bar

from superneurons.activations.capture import Captured, Progress
from superneurons.activations.site import Site
from superneurons.activations.store import (
    Plan,
    adopt_plan,
    capture_shards,
    plan_of,
    read_shard,
)  # fmt: skip
from superneurons.scale.counts import SignCounts
from superneurons.scale.merge import adopt_together, located, merge, part_of
from superneurons.scale.ranks import Rank, device_of
from superneurons.shortcut.checks import (
    check_classes,
    check_values,
    native_or_unrolled,
    usable_read_out,
)
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.shortcut.reading import check_seen, depth_read, runs_for, site_of
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

__all__ = [
    "Probe", "Probed", "ShardWork", "capture_on_rank", "probe_of_rank", "probe_on_rank",
    "probe_set", "shards_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probed:
    """What was captured.

    Parameters
    ----------
    questions
        Records as the model was asked them.
    site
        Where it was read.
    shape
        Layers and width of one record's activations.
    shards
        Files of the store.
    counts
        On how many records each neuron fires; nothing where there are more than two answers.
    positive
        The answer that counts as positive.
    fitted
        What was fitted on it, as JSON values, if anything.
    """

    questions: int
    site: str
    shape: tuple[int, int]
    shards: int
    counts: SignCounts | None = None
    positive: str | None = None
    fitted: Mapping[str, Any] | None = None


def probe_set(params: Mapping[str, Any], records: Sequence[Record]) -> tuple[ProbingSet, Site]:
    """Return what a fit with these parameters would ask, and where it would read.

    Parameters
    ----------
    params
        Of :class:`~superneurons.shortcut.classifier.SuperNeuronClassifier`.
    records
        N labelled records.

    Raises
    ------
    DataError
        As ``fit`` does, before any model is opened.
    """
    known = SuperNeuronClassifier(**params)
    read_out = usable_read_out(known.read_out, known.read_out_params)
    site = site_of(read_out, known.site, known.position)
    probing = probing_set(
        records, balanced=known.balanced, seed=known.random_state,
        multiclass=native_or_unrolled(known.multiclass, read_out),
    )  # fmt: skip
    check_classes(read_out, probing.y)
    check_seen(site, probing.form)
    return probing, site


def shards_of(params: Mapping[str, Any], probing: ProbingSet) -> range:
    """Return the numbers of the shards that a probing set will have; no model is opened."""
    size = SuperNeuronClassifier(**params).batch_size
    return Plan("", len(probing.records), {}, size, "", {}, "", ()).shards


class Probe:
    """A probing set and the model that is asked, opened.

    Parameters
    ----------
    params
        Of :class:`~superneurons.shortcut.classifier.SuperNeuronClassifier`.
    probing, site
        What :func:`probe_set` returned.

    Attributes
    ----------
    plan : Plan
        What the store will hold: the same that ``fit`` asks for.
    classifier : SuperNeuronClassifier
        The one with these parameters, on the open model; not fitted.
    """

    plan: Plan
    classifier: SuperNeuronClassifier

    def __init__(self, params: Mapping[str, Any], probing: ProbingSet, site: Site) -> None:
        self.classifier = known = SuperNeuronClassifier(**params)
        vlm = known.at_resolution(known.whole())
        self.vlm: VLM = runs_for(vlm, site, depth_read(vlm, site, known.max_layer))
        self.probing = probing
        self.site = site
        self._prompt = known.prompt
        self.plan = plan_of(
            self.vlm, probing.records, sites=(site,), prompt=self._prompt,
            batch_size=known.batch_size,
        )  # fmt: skip

    def capture(self, directory: Path, numbers: Sequence[int]) -> Any:
        """Capture some shards into a directory, one after the other."""
        return capture_shards(
            self.vlm, self.probing.records, directory, self.plan, numbers, sites=(self.site,),
            prompt=self._prompt,
        )  # fmt: skip

    def counter(self) -> tuple[SignCounts, NDArray[np.bool_]] | None:
        """Return counts to begin with, and which records are positive, for two answers."""
        classes = np.unique(self.probing.y)
        if len(classes) != 2:
            return None
        layers, width = self.plan.shapes[str(self.site)]
        return SignCounts.none(layers * width), self.probing.y == classes[1]

    @property
    def layers(self) -> NDArray[np.int64]:
        """The layer of each column of a shard, shape (P,)."""
        layers, width = self.plan.shapes[str(self.site)]
        return np.repeat(np.arange(1, layers + 1), width)

    def told(self, counts: SignCounts | None) -> Probed:
        """Sum up what was done."""
        layers, width = self.plan.shapes[str(self.site)]
        return Probed(
            self.plan.n, str(self.site), (layers, width), len(self.plan.shards), counts,
            None if counts is None else str(np.unique(self.probing.y)[1]),
        )  # fmt: skip


def probe_on_rank(
    rank: Rank,
    params: Mapping[str, Any],
    probing: ProbingSet,
    site: Site,
    store: Path,
    progress: Progress | None = None,
) -> Probed:
    """Capture one rank's share of a probing set, and sum up counts with the others.

    Every rank calls it, with the same arguments but ``rank``. Shards that are in the store, whoever
    captured them, are not captured again. Activations go to the store only; between ranks go
    counts.

    Parameters
    ----------
    rank
        This one.
    params, probing, site
        As :class:`Probe` takes them.
    store
        The directory, seen by all ranks.
    progress
        Told (shards done, shards in all) of this rank.

    Raises
    ------
    DataError, ModelError
        As ``fit`` does.
    MismatchError
        When the store holds activations of something else.
    """
    return capture_on_rank(rank, probe_of_rank(rank, params, probing, site), store, progress)


def probe_of_rank(rank: Rank, params: Mapping[str, Any], probing: ProbingSet, site: Site) -> Probe:
    """Open the model on the device of a rank."""
    if rank.world > 1:
        disable_progress_bar()  # those of several processes would overwrite each other
    return Probe({**params, "device": device_of(rank, params["device"])}, probing, site)


def capture_on_rank(
    rank: Rank, probe: Probe, store: Path, progress: Progress | None = None
) -> Probed:
    """Capture one rank's share with a model that is open; see :func:`probe_on_rank`."""
    part = store if rank.world == 1 else part_of(store, rank.rank)
    known = located(store, probe.plan)
    adopt_plan(part, probe.plan)
    mine, counter = rank.share(probe.plan.shards), probe.counter()
    counts, positive = counter or (None, np.zeros(0, dtype=bool))
    coming = probe.capture(part, [number for number in mine if number not in known])
    for done, number in enumerate(mine, start=1):
        found = read_shard(known[number], number, probe.plan) if number in known else None
        shard: Captured = next(coming) if found is None else found
        if counts is not None:
            of = probe.plan.records_of(number)
            check_values(shard.flat, probe.layers, probe.probing.records[of])
            counts = counts.plus(shard.flat, positive[of])
        if progress is not None:
            progress(done, len(mine))
    coming.close()
    counts = None if counts is None else counts.summed(rank.summed)
    rank.wait()
    if rank.rank == 0 and rank.world > 1:
        merge(store, probe.plan)
    rank.wait()
    return probe.told(counts)


class ShardWork:
    """Captures one shard after the other into a store, as an actor of many.

    Parameters
    ----------
    params, probing, site
        As :class:`Probe` takes them.
    store
        The directory, seen by all actors.
    """

    def __init__(
        self, params: Mapping[str, Any], probing: ProbingSet, site: Site, store: Path
    ) -> None:
        self._probe = Probe(params, probing, site)
        self._store = store
        adopt_together(store, self._probe.plan)

    def __call__(self, number: int) -> dict[str, Any]:
        """Capture a shard, unless it is there; returns its number."""
        if read_shard(self._store, number, self._probe.plan) is None:
            for _ in self._probe.capture(self._store, [number]):
                pass
        return {"number": number}
