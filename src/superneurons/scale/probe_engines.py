"""Where a probing set is captured: in this process, as ranks, or on a Ray cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from superneurons.activations.capture import Progress
from superneurons.activations.site import Site
from superneurons.scale.local_ranks import on_local_ranks
from superneurons.scale.probing import Probed, ShardWork, probe_on_rank, probe_set, shards_of
from superneurons.scale.ranks import Rank, joined_ranks, rank_of_environment
from superneurons.scale.ray_data import Actors, on_ray
from superneurons.shortcut.probing import ProbingSet
from superneurons.task.record import Record

__all__ = ["ProbeEngine", "probe"]

ProbeEngine: TypeAlias = Literal["local", "ranks", "ray"]
"""This process; several on this machine that count together; actors of a Ray cluster."""


def probe(
    params: Mapping[str, Any],
    records: Sequence[Record],
    store: Path,
    *,
    engine: ProbeEngine = "local",
    ranks: int = 2,
    actors: Actors | None = None,
    progress: Progress | None = None,
) -> Probed:
    """Capture a probing set into a store that ``fit`` reads; what is there already is kept.

    Parameters
    ----------
    params
        Of :class:`~superneurons.shortcut.classifier.SuperNeuronClassifier`; its ``model`` by name.
    records
        N labelled records.
    store
        The directory: every process has to see it, and the pictures, under this path.
    engine
        Where (:data:`ProbeEngine`). Started by ``torchrun``, this process is a rank whatever
        stands here.
    ranks
        How many, for ``ranks``.
    actors
        Which, for ``ray``.
    progress
        Told (shards done, shards in all).

    Raises
    ------
    DataError, ModelError
        As ``fit`` does.
    MismatchError
        When the store holds activations of something else.
    """
    store = store.absolute()
    probing, site = probe_set(params, [_anywhere(record) for record in records])
    given = (params, probing, site, store)
    rank = rank_of_environment()
    if rank is not None:
        with joined_ranks(rank):
            return probe_on_rank(rank, *given, progress)
    if engine == "ranks":
        result: Probed = on_local_ranks(ranks, probe_on_rank, given, progress=progress)
        return result
    if engine == "ray":
        return _on_ray(*given, actors or Actors(), progress)
    return probe_on_rank(Rank(), *given, progress)


def _anywhere(record: Record) -> Record:
    """Name pictures so that a process in another folder finds them."""
    return replace(
        record,
        images=tuple(i.absolute() if isinstance(i, Path) else i for i in record.images),
    )


def _on_ray(
    params: Mapping[str, Any],
    probing: ProbingSet,
    site: Site,
    store: Path,
    actors: Actors,
    progress: Progress | None,
) -> Probed:
    numbers = list(shards_of(params, probing))
    # Each actor looks again whether a shard is there, and of what.
    for done, _ in enumerate(on_ray(ShardWork, (params, probing, site, store), numbers, actors)):
        if progress is not None:
            progress(done + 1, len(numbers))
    layers, width = json.loads((store / "plan.json").read_text())["shapes"][str(site)]
    return Probed(len(probing.records), str(site), (layers, width), len(numbers))
