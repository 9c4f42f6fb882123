"""Search for shortcuts: how little of a model has to run, on how small a picture, to answer."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, Progress, capture
from superneurons.activations.site import Site
from superneurons.errors import DataError
from superneurons.shortcut.checks import check_values
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.costs import Costs, Route, measure_costs
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.shortcut.search_points import Point, ShortcutSearch
from superneurons.shortcut.search_scores import Accuracies, DepthTrial
from superneurons.shortcut.search_space import SearchSpace
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.early_exit import Acceleration
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["classifier_at", "search_shortcuts"]

_Z = 1.96  # 95 % of a normal distribution


@dataclass(frozen=True)
class _Pass:
    """One pass over the records: a resolution, a prompt, and the sites that it gives."""

    view: VLM
    resolution: int | None
    prompt: Prompt
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class _Tried:
    """A site of a pass, and which samples it answers rightly at each depth, shape (L, n)."""

    route: Route
    prompt: Prompt
    right: NDArray[np.bool_]


def search_shortcuts(
    vlm: VLM,
    records: Sequence[Record],
    space: SearchSpace | None = None,
    *,
    n_folds: int = 5,
    seed: int = 0,
    batch_size: int = 8,
    timing_batch: int = 1,
    repeats: int = 5,
    acceleration: Acceleration = "auto",
    words: LabelWords | None = None,
    progress: Progress | None = None,
) -> ShortcutSearch:
    """Measure accuracy and cost over depth, resolution, site, position and prompt order.

    One pass over the records for each resolution and order gives all sites at all depths. Each
    point is cross-validated on the same folds, which keep groups whole: ridge regression over all
    neurons of the first layers (:func:`~superneurons.probes.depth.depth_scores`). Costs are
    measured at a few depths, in the first order, as all have the same tokens
    (:mod:`superneurons.shortcut.costs`).

    Parameters
    ----------
    vlm, records, space
        The whole model; N labelled records, asked once each (options by letter, where sites that
        see only pictures are left out); where to look.
    n_folds, seed
        Of the cross-validation.
    batch_size, timing_batch
        Records per forward pass while capturing, and while timing.
    repeats, acceleration
        Rounds of the timing, and how exits run meanwhile.
    words
        Also keep the base model's logits of these label words, as it is asked in the first order.
    progress
        Told (records done, records in all) over all passes.

    Raises
    ------
    DataError
        Pictures or labels that cannot be used, nothing left to search, activations that are no
        finite numbers.
    ModelError
        When the model is cut off, lacks a part, or cannot be asked so or see at a resolution.
    """
    space = space or SearchSpace()
    vlm.require_whole("logits")
    prompts = space.prompts(vlm)
    probing, views = probing_set(records, balanced=True, seed=seed), space.views(vlm)
    trial, tried, logits = _try(
        _passes(space, views, prompts, probing), probing, space.max_layer, n_folds=n_folds,
        seed=seed, batch_size=batch_size, words=words, progress=progress,
    )  # fmt: skip
    costs = measure_costs(
        views, {one.route: len(one.right) for one in tried}, probing.records[:timing_batch],
        prompt=prompts[0], repeats=repeats, acceleration=acceleration,
    )  # fmt: skip
    settings = _settings(vlm, probing, prompts, seed)
    return _search(trial, tried, costs, settings, probing, logits)


def classifier_at(point: Point, vlm: VLM, **params: Any) -> SuperNeuronClassifier:
    """Return an unfitted classifier that reads what a point reads, as deep as it.

    Parameters
    ----------
    point
        Which.
    vlm
        The model that was searched.
    **params
        Other parameters of the classifier.
    """
    # All layers up to the point's are wanted: what fewer give was tried.
    params = {"read_out_params": {"tolerance": None}, **params}
    return SuperNeuronClassifier(
        vlm, site=point.kind, position=point.position, max_layer=point.depth,
        prompt_order=point.order, prompt_template=point.template, resolution=point.resolution,
        **params,
    )  # fmt: skip


def _passes(
    space: SearchSpace,
    views: Mapping[int | None, VLM],
    prompts: Sequence[Prompt],
    probing: ProbingSet,
) -> list[_Pass]:
    """Plan the passes; pictures alone are the same in every prompt, and read in the first."""
    sites = space.sites(only_pictures=probing.form == "direct")
    if not sites:
        raise DataError(
            "The options stand in the question, and these sites see only pictures.",
            where=f"kinds: {', '.join(space.kinds)}",
            mend="Add residual, mlp or heads.",
        )
    found = []
    for resolution, view in views.items():
        for prompt in prompts:
            known = tuple(s for s in sites if prompt == prompts[0] or not s.sees_only_pictures)
            if known:
                found.append(_Pass(view, resolution, prompt, known))
    return found


def _try(
    passes: Sequence[_Pass],
    probing: ProbingSet,
    max_layer: int | None,
    *,
    n_folds: int,
    seed: int,
    batch_size: int,
    words: LabelWords | None,
    progress: Progress | None,
) -> tuple[DepthTrial, list[_Tried], NDArray[np.float32] | None]:
    """Try all sites on the same folds, holding the activations of one pass at a time."""
    trial, logits, found = None, None, list[_Tried]()
    for number, one in enumerate(passes):
        captured = capture(
            _cut(one, max_layer, whole=words is not None and not number), probing.records,
            sites=one.sites, prompt=one.prompt, batch_size=batch_size,
            words=None if number else words, progress=_part(progress, number, len(passes)),
        )  # fmt: skip
        if trial is None:
            logits = captured.label_logits
            # The decoder's sites come last: they tell questions on one picture apart.
            X = captured.at(one.sites[-1]).flat
            trial = DepthTrial.of(X, probing.y, probing.groups, n_folds=n_folds, seed=seed)
        for site, states in _checked(captured, probing, max_layer):
            found.append(_Tried(Route(one.resolution, site), one.prompt, trial.right(states)))
    assert trial is not None  # there is a pass at least
    return trial, found, logits


def _cut(one: _Pass, max_layer: int | None, *, whole: bool) -> VLM:
    deepest = min(max_layer or one.view.n_layers, one.view.n_layers)
    return one.view if whole or deepest == one.view.depth else one.view.truncated(deepest)


def _checked(
    captured: Captured, probing: ProbingSet, max_layer: int | None
) -> Iterator[tuple[Site, NDArray[np.float16]]]:
    for site, states in captured.states.items():
        kept = states[:, :max_layer]
        flat = kept.reshape(len(kept), -1)
        check_values(flat, np.arange(flat.shape[1]) // kept.shape[2] + 1, probing.records)
        yield site, kept


def _part(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Tell the progress of one pass of several as part of them all."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, of * total)


def _search(
    trial: DepthTrial,
    tried: Sequence[_Tried],
    costs: Costs,
    settings: Mapping[str, Any],
    probing: ProbingSet,
    logits: NDArray[np.float32] | None,
) -> ShortcutSearch:
    """Put scores and costs together."""
    right = np.concatenate([one.right for one in tried])
    counted = right.shape[1]
    scores = Accuracies.of(right, trial.codes[:counted], trial.groups[:counted])
    places = [(one, depth) for one in tried for depth in range(1, len(one.right) + 1)]
    rows = zip(places, scores.values.tolist(), scores.errors.tolist(), strict=True)
    points = tuple(_point(*place, value, error, costs) for place, value, error in rows)
    counts = {"folds": len(np.unique(trial.fold)), "records_answered": counted}
    told = {**settings, **counts, "costs": costs.as_dict()}
    return ShortcutSearch(points, scores, told, probing, logits)


def _point(one: _Tried, depth: int, value: float, error: float, costs: Costs) -> Point:
    route, interval = one.route, (max(0.0, value - _Z * error), min(1.0, value + _Z * error))
    return Point(
        route.resolution, route.site.kind, route.site.position, one.prompt.order, depth,
        value, error, interval, costs.ms(route, depth), costs.ratio(route, depth),
        one.prompt.template,
    )  # fmt: skip


def _settings(
    vlm: VLM, probing: ProbingSet, prompts: Sequence[Prompt], seed: int
) -> dict[str, Any]:
    return {
        "model": vlm.name,
        "layers": vlm.n_layers,
        "device": vlm.device_name,
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "records": probing.n,
        "probing_records": len(probing.records),
        "form": probing.form,
        "labels": list(probing.labels),
        "orders": [prompt.order for prompt in prompts],
        "prompt_template": prompts[0].template,
        "seed": seed,
    }
