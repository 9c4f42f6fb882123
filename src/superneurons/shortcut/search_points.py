"""What a search for shortcuts found: points of accuracy and cost, and which one to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.site import Position, Site
from superneurons.errors import DataError, Problem
from superneurons.shortcut.probing import ProbingSet
from superneurons.shortcut.search_scores import Accuracies
from superneurons.vlm.prompt import Prompt, PromptOrder
from superneurons.vlm.taps import Kind

__all__ = ["Point", "ShortcutSearch", "check_limits"]


@dataclass(frozen=True, slots=True)
class Point:
    """One way to stop early.

    Parameters
    ----------
    resolution
        Pixels, per side, at which pictures are seen; ``None`` for the model's own way.
    kind, position
        Of the site that is read.
    order
        What the prompt begins with.
    depth
        Layers of the site that are read, from its first.
    accuracy, standard_error, interval
        Cross-validated balanced accuracy, with its standard error and 95 % interval over groups.
    cost_ms
        Milliseconds from prepared inputs to the activations, for one batch.
    ratio
        How many times that goes into the whole model's prefill with its label logits.
    template
        What is asked with instead of the chat template.
    """

    resolution: int | None
    kind: Kind
    position: Position
    order: PromptOrder
    depth: int
    accuracy: float
    standard_error: float
    interval: tuple[float, float]
    cost_ms: float
    ratio: float
    template: str | None = None

    @property
    def prompt(self) -> Prompt:
        """How the model is asked."""
        return Prompt(self.order, self.template)

    @property
    def site(self) -> Site:
        """What is read."""
        return Site(self.kind, self.position)

    @property
    def exit_layer(self) -> int:
        """Decoder layers that run: 0 where only pictures are read."""
        return 0 if self.site.sees_only_pictures else self.depth

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"interval": list(self.interval)}

    def __str__(self) -> str:
        size = "own resolution" if self.resolution is None else f"{self.resolution} pixels"
        asked = self.order if self.template is None else "own template"
        return (
            f"{self.site}, layer {self.depth}, {asked}, {size}: {self.accuracy:.1%} at "
            f"{self.cost_ms:.3g} ms"
        )


@dataclass(frozen=True)
class ShortcutSearch:
    """All points that were tried.

    Parameters
    ----------
    points
        P of them.
    accuracies
        Theirs, in the same order, with what compares them by pairs.
    settings
        What was measured on what, as JSON values.
    probing
        The records as they were asked.
    label_logits
        The base model's logits of the label words for these, shape (M, C), where they were asked
        for.
    """

    points: tuple[Point, ...]
    accuracies: Accuracies
    settings: Mapping[str, Any]
    probing: ProbingSet | None = field(default=None, repr=False)
    label_logits: NDArray[np.float32] | None = field(default=None, repr=False)

    def front(self) -> tuple[Point, ...]:
        """Return the points that no other beats at both accuracy and cost, from the cheapest on.

        Of points that are the same at both, the first.
        """
        found: list[Point] = []
        for point in sorted(self.points, key=lambda p: (p.cost_ms, -p.accuracy)):
            if not found or point.accuracy > found[-1].accuracy:
                found.append(point)
        return tuple(found)

    def choose(
        self,
        *,
        max_latency_ms: float | None = None,
        min_accuracy: float | None = None,
        within: float = 0.01,
    ) -> Point:
        """Choose a point: the cheapest that is accurate enough.

        Parameters
        ----------
        max_latency_ms
            Leave out what costs more.
        min_accuracy
            What balanced accuracy is enough, from 0 to 1. By default: what is not clearly behind
            the best that is left, by more than ``within`` and than one standard error of the
            difference (both answered the same samples).
        within
            A difference that doesn't matter.

        Raises
        ------
        DataError
            A limit out of range; or when no point keeps to the limits: names the nearest.

        Notes
        -----
        The accuracy of a chosen point is a little too good, as it was chosen by it: measure it
        on held-out records.
        """
        check_limits(max_latency_ms, min_accuracy, within)
        fast = [
            index
            for index, point in enumerate(self.points)
            if max_latency_ms is None or point.cost_ms <= max_latency_ms
        ]
        good = [
            index for index in fast
            if min_accuracy is None or self.points[index].accuracy >= min_accuracy
        ]  # fmt: skip
        if not good:
            raise self._none_fits(fast, max_latency_ms, min_accuracy)
        if min_accuracy is None:
            good = self._near_best(good, within)
        return min((self.points[index] for index in good), key=_cheapest)

    def _near_best(self, among: Sequence[int], within: float) -> list[int]:
        """Those of some points that are not clearly behind the best of them."""
        best = min(among, key=lambda index: _most_accurate(self.points[index]))
        behind = self.accuracies.values[best] - self.accuracies.values
        allowed = self.accuracies.errors_behind(best).clip(min=within) + 1e-12
        return [index for index in among if behind[index] <= allowed[index]]

    def _none_fits(
        self, fast: Sequence[int], max_latency_ms: float | None, min_accuracy: float | None
    ) -> DataError:
        nearest = []
        if fast:
            best = min((self.points[index] for index in fast), key=_most_accurate)
            nearest.append(Problem("most accurate that is fast enough", str(best)))
        accurate = [p for p in self.points if min_accuracy is None or p.accuracy >= min_accuracy]
        if accurate:
            nearest.append(
                Problem("fastest that is accurate enough", str(min(accurate, key=_cheapest)))
            )
        wanted = []
        if max_latency_ms is not None:
            wanted.append(f"at most {max_latency_ms:g} ms")
        if min_accuracy is not None:
            wanted.append(f"at least {min_accuracy:.1%}")
        return DataError(
            f"No point of {len(self.points)} keeps to {' and '.join(wanted)}.",
            problems=nearest,
            mend="Ask for less (max_latency_ms, min_accuracy), search more sites or resolutions, "
            "or label more records.",
        )

    def _repr_html_(self) -> str:
        from superneurons.shortcut.shown import search_html

        return search_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "settings": dict(self.settings),
            "points": [point.as_dict() for point in self.points],
            "front": [point.as_dict() for point in self.front()],
        }


def _cheapest(point: Point) -> tuple[float, float]:
    return point.cost_ms, -point.accuracy


def _most_accurate(point: Point) -> tuple[float, float]:
    return -point.accuracy, point.cost_ms


def check_limits(
    max_latency_ms: float | None = None, min_accuracy: float | None = None, within: float = 0.01
) -> None:
    """Refuse limits of :meth:`ShortcutSearch.choose` that are out of range.

    Raises
    ------
    DataError
        Names all of them.
    """
    ms, accuracy = max_latency_ms, min_accuracy
    problems = []
    if ms is not None and not (ms > 0 and isfinite(ms)):
        problems.append(Problem("max_latency_ms", f"{ms}, not above 0"))
    if accuracy is not None and not 0 <= accuracy <= 1:
        problems.append(Problem("min_accuracy", f"{accuracy}, not from 0 to 1"))
    if not 0 <= within <= 1:
        problems.append(Problem("within", f"{within}, not from 0 to 1"))
    if problems:
        raise DataError("Some limits are out of range.", problems=problems, mend="Change them.")
