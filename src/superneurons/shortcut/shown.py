"""What notebooks show of classifiers, cascades and searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from superneurons._html import facts, paragraph, table
from superneurons.shortcut.inspection import Inspection, inspect_cascade, inspect_classifier

if TYPE_CHECKING:
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.shortcut.search_points import ShortcutSearch

__all__ = ["cascade_html", "classifier_html", "parameters_html", "search_html"]

_MOST_LAYERS = 8
_MOST_POINTS = 20


def parameters_html(estimator: Any) -> str:
    """Return an estimator's parameters that are not as by default; of its model only the name."""
    params = estimator.get_params(deep=False)
    default = type(estimator)().get_params(deep=False)
    told = [
        (name, value if name == "model" else repr(value))
        for name, value in params.items()
        if name == "model" or repr(value) != repr(default[name])
    ]
    return facts(told, caption=f"{type(estimator).__name__}, not fitted")


def classifier_html(classifier: SuperNeuronClassifier) -> str:
    """Return what a fitted classifier reads and what it was fitted on."""
    found = inspect_classifier(classifier)
    told = [
        ("question", found.question),
        ("labels", ", ".join(found.labels) or "options of each record"),
        ("base model", classifier.model),
        ("site", f"{found.kind} at {found.position}"),
        ("read-out", found.read_out),
        ("exit layer", found.exit_layer),
        ("neurons", f"{len(found.neurons):,} ({_layers(found)})"),
        ("cross-validated when fitted, a little too good", _share(found.cv_score)),
        ("fitted on", _counts(found.probing)),
    ]
    return facts(told, caption=type(classifier).__name__)


def _layers(found: Inspection) -> str:
    shown = [f"layer {layer}: {n:,}" for layer, n in found.layers.items()]
    more = len(shown) - _MOST_LAYERS
    return ", ".join(shown[:_MOST_LAYERS]) + (f" and {more} layers more" if more > 0 else "")


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in numbers.items())


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def cascade_html(cascade: Cascade) -> str:
    """Return the stages of a fitted cascade, and what was verified."""
    found = inspect_cascade(cascade)
    rows = [
        (
            stage["layer"],
            "the model's answer" if stage["base_answer"] else f"{stage['neurons']:,} neurons",
            "never" if stage["threshold"] is None else f"{stage['threshold']:.3f}",
            f"{100 * stage['share']:.1f}",
            f"{stage['cost']:.3g}",
        )
        for stage in found["stages"]
    ]
    head = ("layers run", "reads", "sure from", "answers (%)", "cost")
    verified = cascade.verified_
    return table(head, rows, caption=type(cascade).__name__) + paragraph(
        f"On {verified.records:,} records that had no part in it: {verified.accuracy:.1%} right, "
        f"{verified.wanted:.1%} wanted, at a mean cost of {verified.cost:.3g}."
    )


def search_html(search: ShortcutSearch) -> str:
    """Return the front of a search, and which of its points would be chosen."""
    front = search.front()
    chosen = search.choose() if front else None
    rows = [
        (
            f"{point.site}, layer {point.depth}{' (chosen by default)' * (point == chosen)}",
            point.order if point.template is None else "own template",
            point.resolution or "own",
            f"{100 * point.accuracy:.1f} ({100 * low:.0f}–{100 * high:.0f})",
            f"{point.cost_ms:.3g}",
            f"{point.ratio:.1f}",
        )
        for point in front[-_MOST_POINTS:]
        for low, high in [point.interval]
    ]
    head = ("reads", "prompt", "pixels", "balanced accuracy (95 %)", "ms", "× whole model")
    hidden = len(front) - len(rows)
    return table(head, rows, caption=f"Front of {len(search.points):,} points") + paragraph(
        "Cross-validated: verify a choice on other records."
        + (f" {hidden} cheaper points of the front are not shown." if hidden else "")
    )
