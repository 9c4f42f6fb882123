"""Where a probing set is captured: in this process, as ranks, or on a Ray cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from superneurons.activations.capture import Progress
from superneurons.scale.local_ranks import on_local_ranks
from superneurons.scale.probe_fit import FitWork, check_fit, fit_on_rank
from superneurons.scale.probing import Probed, ShardWork, probe_on_rank, probe_set, shards_of
from superneurons.scale.ranks import Rank, joined_ranks, rank_of_environment
from superneurons.scale.ray_data import Actors, on_ray
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
    classifier: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Probed:
    """Capture a probing set into a store that ``fit`` reads, or fit on it at once.

    What is in the store already is kept. The classifier is the one that ``fit`` would save with
    the same parameters, wherever it was made.

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
        Which, for ``ray``; one of them fits.
    classifier
        Directory for a classifier; without it, nothing is fitted.
    overwrite
        Replace the classifier that is there.
    progress
        Told (shards done, shards in all).

    Raises
    ------
    DataError, ModelError, MismatchError, OutputError
        As ``fit`` does, of a store with other activations, too; when the classifier cannot be
        written, before anything is captured.
    """
    probing, site = probe_set(params, [_anywhere(record) for record in records])
    rank, on = rank_of_environment(), actors or Actors()
    if by_actors := rank is None and engine == "ray":
        params = {**params, "device": on.device(params.get("device", "auto"))}
    given: tuple[Any, ...] = (params, probing, site, store.absolute())
    work: Callable[..., Probed] = probe_on_rank
    if classifier is not None:
        work, given = fit_on_rank, (*given, classifier.absolute())
        if rank is None or rank.rank == 0:
            check_fit(params, probing, classifier.absolute(), overwrite=overwrite)
    if by_actors:
        return _on_ray(given, on, progress)
    return _on_ranks(rank, 1 if engine == "local" else ranks, work, given, progress)


def _on_ranks(
    rank: Rank | None,
    n: int,
    work: Callable[..., Probed],
    given: tuple[Any, ...],
    progress: Progress | None,
) -> Probed:
    """Work as the rank that this process is, or as the only one, or start some."""
    if rank is not None or n == 1:
        with joined_ranks(rank or Rank()) as joined:
            return work(joined, *given, progress)
    result: Probed = on_local_ranks(n, work, given, progress=progress)
    return result


def _anywhere(record: Record) -> Record:
    """Name pictures so that a process in another folder finds them."""
    return replace(
        record,
        images=tuple(i.absolute() if isinstance(i, Path) else i for i in record.images),
    )


def _on_ray(given: tuple[Any, ...], actors: Actors, progress: Progress | None) -> Probed:
    """Capture by actors; where something is to be fitted, by one of them, which has a model."""
    params, probing, site, store = given[:4]
    numbers = list(shards_of(params, probing))
    # Each actor looks again whether a shard is there, and of what.
    for done, _ in enumerate(on_ray(ShardWork, given[:4], numbers, actors)):
        if progress is not None:
            progress(done + 1, len(numbers))
    layers, width = json.loads((store / "plan.json").read_text())["shapes"][str(site)]
    fitted = next(on_ray(FitWork, given, [0], actors), None) if len(given) > 4 else None
    return Probed(len(probing.records), str(site), (layers, width), len(numbers), fitted=fitted)
