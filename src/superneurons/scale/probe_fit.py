"""Fit a classifier on what was captured, each rank reading its own shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, Progress, joined
from superneurons.activations.site import Site
from superneurons.activations.store import read_shard
from superneurons.errors import OutputError
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.scale.paper import SharedPaper
from superneurons.scale.probing import Probe, Probed, capture_on_rank, probe_of_rank
from superneurons.scale.ranks import Rank
from superneurons.shortcut.artefact import check_output
from superneurons.shortcut.checks import check_values, usable_read_out
from superneurons.shortcut.probing import ProbingSet
from superneurons.shortcut.reading import depth_read, fit_to_site

__all__ = ["FitWork", "check_fit", "fit_on_rank"]


def check_fit(
    params: Mapping[str, Any], probing: ProbingSet, out: Path, *, overwrite: bool = False
) -> None:
    """Refuse what couldn't be fitted or saved, before anything is captured for it.

    Parameters
    ----------
    params
        Of :class:`~superneurons.shortcut.classifier.SuperNeuronClassifier`.
    probing
        What it will be fitted on.
    out
        Directory for the classifier.
    overwrite
        Whether one that is there is replaced.

    Raises
    ------
    DataError
        For the paper's rule: a parameter out of range, or a class in fewer than 2 groups.
    OutputError
        When the directory is taken, or cannot be written.
    """
    check_output(out, overwrite=overwrite)
    read_out = usable_read_out(params["read_out"], params.get("read_out_params"))
    if isinstance(read_out, PaperSuperNeurons):
        SharedPaper(**read_out.get_params()).split(probing.y, probing.groups)


def fit_on_rank(
    rank: Rank,
    params: Mapping[str, Any],
    probing: ProbingSet,
    site: Site,
    store: Path,
    out: Path,
    progress: Progress | None = None,
) -> Probed:
    """Capture one rank's share of a probing set, fit with the others, and save.

    The paper's rule is fitted by all ranks, each going through its own shards
    (:class:`~superneurons.scale.paper.SharedPaper`); other read-outs by the first, on all of them.
    Either way the classifier is the one that ``fit`` would save, byte by byte.

    Parameters
    ----------
    rank, params, probing, site, store, progress
        As :func:`~superneurons.scale.probing.probe_on_rank` takes them.
    out
        Directory for the classifier; what is there is replaced.

    Raises
    ------
    DataError, ModelError
        As ``fit`` does.
    MismatchError
        When the store holds activations of something else.
    OutputError
        When a shard has gone, or the classifier cannot be written.
    """
    probe = probe_of_rank(rank, params, probing, site)
    done = capture_on_rank(rank, probe, store, progress)
    fitted = _fitted(rank, probe, store, out)
    rank.wait()
    return replace(done, fitted=fitted)


class FitWork:
    """Fits and saves on a store that is complete, as one actor.

    Parameters
    ----------
    params, probing, site
        As :class:`~superneurons.scale.probing.Probe` takes them.
    store
        What was captured.
    out
        Directory for the classifier; what is there is replaced.
    """

    def __init__(
        self, params: Mapping[str, Any], probing: ProbingSet, site: Site, store: Path, out: Path
    ) -> None:
        self._probe = Probe(params, probing, site)
        self._store, self._out = store, out

    def __call__(self, _: Any) -> dict[str, Any]:
        """Do it; returns what was learnt, as JSON values."""
        fitted = _fitted(Rank(), self._probe, self._store, self._out)
        return {} if fitted is None else fitted


def _fitted(rank: Rank, probe: Probe, store: Path, out: Path) -> dict[str, Any] | None:
    """Fit and save; only the first rank has something to tell."""
    classifier = probe.classifier
    read_out = usable_read_out(classifier.read_out, classifier.read_out_params)
    if isinstance(read_out, PaperSuperNeurons):
        _fit_paper(rank, read_out, probe, store)
    elif rank.rank == 0:
        shards = _Shards(probe, store, list(probe.plan.shards))
        classifier.fit_captured(probe.probing, joined([shards.read(n) for n in shards.numbers]))
    if rank.rank:
        return None
    classifier.save_pretrained(out, overwrite=True)
    return {
        "classifier": str(out),
        "read_out": classifier.read_out,
        "neurons": len(classifier.neurons_),
        "exit_layer": classifier.exit_layer_,
        "layers": classifier.vlm.n_layers,
        "learnt": dict(classifier.read_out_.get_state().values),
    }


def _fit_paper(rank: Rank, read_out: PaperSuperNeurons, probe: Probe, store: Path) -> None:
    classifier, probing, site = probe.classifier, probe.probing, probe.site
    vlm = classifier.whole()
    given = classifier.read_out_params or {}
    fit_to_site(read_out, vlm, site, seed=classifier.random_state, given=given.keys())
    shards = _Shards(probe, store, rank.share(probe.plan.shards))
    searched = shards.depth * vlm.shape(site.kind)[1]
    rule = SharedPaper(**read_out.get_params())
    fitted = rule.fit_shared(rank, shards, searched, probing.y, probing.groups)
    classifier.adopt(fitted, probing, site)


@dataclass(frozen=True)
class _Shards:
    """Some shards of a store, each read when it is wanted: (n, P) and the numbers of its rows."""

    probe: Probe
    store: Path
    numbers: list[int]

    @property
    def depth(self) -> int:
        classifier = self.probe.classifier
        return depth_read(classifier.whole(), self.probe.site, classifier.max_layer)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        plan, records = self.probe.plan, self.probe.probing.records
        depth, layers = self.depth, self.probe.layers
        for number in self.numbers:
            X, of = self.read(number).at(self.probe.site).up_to(depth), plan.records_of(number)
            check_values(X, layers[: X.shape[1]], records[of])
            yield X, np.arange(of.start, of.stop)

    def read(self, number: int) -> Captured:
        # Without an index, shards of an earlier run may still be in its parts.
        for folder in (self.store, *sorted(self.store.glob("part-*"))):
            found = read_shard(folder, number, self.probe.plan)
            if found is not None:
                return found
        raise OutputError(
            f"Shard {number} was captured, but is no longer there.",
            where=str(self.store),
            mend="Start it again: what is there is kept.",
        )
