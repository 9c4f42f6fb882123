"""The read-outs of activations that a comparison fits, each at its site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from sklearn.utils import get_tags

from superneurons.activations.site import Site
from superneurons.errors import DataError, Problem
from superneurons.evaluate.recommendation import Kind
from superneurons.probes.registry import make_read_out
from superneurons.shortcut.form import Form, Multiclass

__all__ = ["ENTRIES", "Entry", "chosen_entries", "entry_sites"]


_RESIDUAL, _HEADS = Site(), Site("heads")
_TOWER, _PROJECTOR = Site("vision"), Site("projector")
_GENERATED = Site(position="first_generated")


@dataclass(frozen=True)
class Entry:
    """One read-out at one site.

    Parameters
    ----------
    key
        What the command line calls it.
    name
        What the table calls it.
    kind
        What it takes to run it, for the recommendation.
    read_out, params
        A name of :data:`superneurons.probes.registry.READ_OUTS`, and its parameters.
    site
        What it reads.
    multiclass
        How it tells more than two answers apart; ``None`` for one that is of no use unless there
        are more than two, and is then asked once per option.
    on_request
        Whether it takes part only when it is named: reading the first generated token takes a
        second pass over every record.
    """

    key: str
    name: str
    kind: Kind
    read_out: str
    site: Site = _RESIDUAL
    params: Mapping[str, Any] = field(default_factory=dict)
    multiclass: Multiclass | None = "auto"
    on_request: bool = False

    def form(self, native: Form, *, many: bool) -> Form:
        """Return how its questions are asked.

        Parameters
        ----------
        native
            How the task is asked where each question is asked once.
        many
            Whether the task has more than two answers.
        """
        knows_many = get_tags(make_read_out(self.read_out)).classifier_tags.multi_class
        unrolled = self.multiclass is None or (self.multiclass == "auto" and not knows_many)
        return "unrolled" if many and unrolled else native


_BETTER = {"leave_one_out": True, "soft": True}

ENTRIES: tuple[Entry, ...] = (
    Entry("super-neurons", "Super Neurons, improved", "neurons", "super-neurons"),
    Entry(
        "super-neurons-all-layers", "Super Neurons, improved, all layers", "neurons",
        "super-neurons", params={"tolerance": None},
    ),
    Entry(
        "super-neurons-by-option", "Super Neurons, improved, per option", "neurons",
        "super-neurons", multiclass=None,
    ),
    Entry("paper", "Super Neurons, paper's rule", "neurons", "paper"),
    Entry(
        "paper-mean", "Super Neurons, paper's rule, mean", "neurons", "paper",
        params={"aggregation": "mean"},
    ),
    Entry("super-neurons-mlp", "Super Neurons of the MLPs", "neurons", "super-neurons",
          Site("mlp")),
    Entry("super-neurons-heads", "Super Neurons of the heads", "neurons", "super-neurons", _HEADS),
    Entry("savs", "SAVs, as published", "neurons", "savs", _HEADS),
    Entry("savs-soft", "SAVs, leave-one-out and soft", "neurons", "savs", _HEADS, _BETTER),
    Entry("logistic", "logistic probe, best layer", "probe", "logistic"),
    Entry("knn", "nearest neighbours, best layer", "probe", "knn"),
    Entry("vision", "vision-only logistic probe", "vision", "logistic", _TOWER),
    Entry("vision-neurons", "vision-only Super Neurons", "vision", "super-neurons", _TOWER),
    Entry("projector", "projector, logistic probe", "vision", "logistic", _PROJECTOR),
    Entry(
        "super-neurons-generated", "Super Neurons, improved, at the first generated token",
        "neurons", "super-neurons", _GENERATED, on_request=True,
    ),
    Entry(
        "paper-generated", "Super Neurons, paper's rule, at the first generated token", "neurons",
        "paper", _GENERATED, on_request=True,
    ),
)  # fmt: skip
"""Everything a comparison fits; the first is the one that the others are compared with."""


def chosen_entries(keys: Sequence[str] | None, *, many: bool) -> tuple[Entry, ...]:
    """Return the entries with these keys, in the order of :data:`ENTRIES`; all for ``None``.

    Of all, those that are of use for more than two answers only are left out unless there are
    ``many``.

    Raises
    ------
    DataError
        For unknown keys, with the nearest known ones; for keys that are of no use for two answers.
    """
    if keys is None:
        fitting = (entry for entry in ENTRIES if many or entry.multiclass is not None)
        return tuple(entry for entry in fitting if not entry.on_request)
    known = [entry.key for entry in ENTRIES]
    problems = [
        Problem(key, f"unknown; near: {', '.join(get_close_matches(key, known, n=2)) or 'none'}")
        for key in keys
        if key not in known
    ]
    if problems or not keys:
        raise DataError(
            "Unknown read-outs to compare." if problems else "No read-outs to compare.",
            problems=problems,
            mend=f"Known: {', '.join(known)}.",
        )
    chosen = tuple(entry for entry in ENTRIES if entry.key in keys)
    if not many:
        _refuse_for_two(chosen)
    return chosen


def _refuse_for_two(entries: Iterable[Entry]) -> None:
    problems = [
        Problem(entry.key, "asks for each answer by itself")
        for entry in entries
        if entry.multiclass is None
    ]
    if problems:
        raise DataError(
            "Some read-outs are for more than two answers only; these records have two.",
            problems=problems,
            mend="Leave them out: with two answers the others ask the same.",
        )


def entry_sites(entries: Iterable[Entry]) -> tuple[Site, ...]:
    """Return the sites they read, each once; the residual stream always, for the logit lens."""
    return tuple(dict.fromkeys([Site(), *(entry.site for entry in entries)]))
