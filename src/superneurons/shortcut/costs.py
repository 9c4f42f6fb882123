"""What stopping early costs, measured on the device at hand beside the whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
from sklearn.isotonic import isotonic_regression

from superneurons.activations.capture import Progress
from superneurons.activations.site import Site
from superneurons.shortcut.timing import Timing, time_together
from superneurons.task.record import Record
from superneurons.vlm.early_exit import Acceleration, EarlyExit
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.positions import PromptPosition
from superneurons.vlm.prompt import Prompt

__all__ = ["Costs", "Route", "measure_costs", "measured_depths"]

_REFERENCE = "whole model"
_DEPTHS = 4
_NEURONS = 100


@dataclass(frozen=True, slots=True)
class Route:
    """What decides a cost, but for the depth.

    Parameters
    ----------
    resolution
        Pixels, per side, at which pictures are seen; ``None`` for the model's own way.
    site
        What is read.
    """

    resolution: int | None
    site: Site

    def __str__(self) -> str:
        size = "own resolution" if self.resolution is None else f"{self.resolution} pixels"
        return f"{self.site}, {size}"


@dataclass(frozen=True)
class Costs:
    """Times of exits at some depths of each route, and of the whole model in the same run.

    Parameters
    ----------
    reference
        The whole model's prefill with the logits of the next token.
    exits
        Time by route and depth.
    batch
        Records in each call.
    ways
        What ran (``path`` of :class:`~superneurons.vlm.early_exit.EarlyExit`), with the reason why
        nothing faster did.
    """

    reference: Timing
    exits: Mapping[Route, Mapping[int, Timing]]
    batch: int = 1
    ways: Mapping[str, str] = field(default_factory=dict)

    def ms(self, route: Route, depth: int) -> float:
        """Milliseconds of an exit: linear between the depths that were measured.

        As a deeper exit runs all that a shallower one does, medians that fall with the depth are
        noise, and are averaged.

        Examples
        --------
        >>> def timing(ms): return Timing(ms, ms, ms, 1)
        >>> route = Route(None, Site())
        >>> costs = Costs(timing(100.0), {route: {1: timing(10.0), 5: timing(30.0)}})
        >>> costs.ms(route, 2), costs.ratio(route, 2)
        (15.0, 6.666666666666667)
        """
        depths = sorted(self.exits[route])
        medians = isotonic_regression([self.exits[route][depth].median for depth in depths])
        return float(np.interp(depth, depths, medians))

    def ratio(self, route: Route, depth: int) -> float:
        """How many times an exit goes into the whole model's prefill."""
        return self.reference.median / self.ms(route, depth)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "batch": self.batch,
            "neurons_read": _NEURONS,
            "whole_model": asdict(self.reference),
            "exits": [
                {"route": str(route), "depth": depth} | asdict(timing)
                for route, at_depth in self.exits.items()
                for depth, timing in at_depth.items()
            ],
            "ways": dict(self.ways),
        }


def measured_depths(layers: int) -> list[int]:
    """Choose the depths to measure: the first, the last, and two between.

    Examples
    --------
    >>> measured_depths(30), measured_depths(3), measured_depths(1)
    ([1, 11, 20, 30], [1, 2, 3], [1])
    """
    return sorted({round(depth) for depth in np.linspace(1, layers, _DEPTHS)})


def measure_costs(
    views: Mapping[int | None, VLM],
    routes: Mapping[Route, int],
    records: Sequence[Record],
    *,
    prompt: Prompt | None = None,
    repeats: int = 5,
    acceleration: Acceleration = "auto",
    progress: Progress | None = None,
) -> Costs:
    """Time exits of each route and the whole model in turn, each on the same batch.

    Pictures are prepared and inputs are on the device before the time begins, on both sides; it
    ends with the activations, or with the logits.

    Parameters
    ----------
    views
        The model at each resolution; under ``None`` as it is.
    routes
        Layers of each route that are to be priced.
    records
        The batch.
    prompt
        How it is asked.
    repeats
        Rounds that are counted, after one that isn't.
    acceleration
        As in :class:`~superneurons.vlm.early_exit.EarlyExit`.
    progress
        Told (rounds done, rounds in all).

    Raises
    ------
    ModelError
        When the model is cut off, or lacks a part that is to be read.
    """
    whole = views[None]
    whole.require_whole("logits")
    inputs = {pixels: view.encode(records, prompt) for pixels, view in views.items()}
    places = [
        (route, depth) for route, layers in routes.items() for depth in measured_depths(layers)
    ]
    exits = {place: _cut(views[place[0].resolution], *place, acceleration) for place in places}
    calls = {
        f"{route}, {depth}": _exit(exits[route, depth], inputs[route.resolution])
        for route, depth in places
    }
    calls[_REFERENCE] = lambda _round: whole.last_states(inputs[None], logits=True)
    found = time_together(calls, repeats=repeats, device=whole.device, progress=progress)
    timings: dict[Route, dict[int, Timing]] = {}
    for route, depth in places:
        timings.setdefault(route, {})[depth] = found[f"{route}, {depth}"]
    ways = {cut.path: cut.reason for cut in exits.values()}
    return Costs(found[_REFERENCE], timings, len(records), ways)


def _cut(vlm: VLM, route: Route, depth: int, acceleration: Acceleration) -> EarlyExit:
    site = route.site
    columns = range(min(vlm.shape(site.kind)[1], _NEURONS))
    return EarlyExit(
        vlm, [depth] * len(columns), columns, kind=site.kind,
        position=cast(PromptPosition, site.position), acceleration=acceleration,
    )  # fmt: skip


def _exit(cut: EarlyExit, inputs: Inputs) -> Callable[[int], object]:
    return lambda _round: cut(inputs)
