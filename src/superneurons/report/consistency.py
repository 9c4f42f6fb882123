"""What can't be true of a run, though each of its values is of the right type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from superneurons.errors import Problem
from superneurons.report.page.thumbnail import safe_thumbnail
from superneurons.report.run import (
    Agreement,
    Bin,
    Confusion,
    Curve,
    Example,
    Interval,
    Run,
    Selection,
    Tradeoff,
)  # fmt: skip

__all__ = ["contradictions"]

_T = TypeVar("_T")
_THUMBNAIL = "no small JPEG as data:image/jpeg;base64"


def contradictions(run: Run) -> list[Problem]:
    """List what can't be true of a run, by place.

    Parameters
    ----------
    run
        Each value is of the type that the data model says; no content is trusted beyond that.
    """
    found: list[Problem] = []
    if run.selection is not None:
        found += _at("selection", _of_selection(run.selection))
    found += _each("curves", run.curves, _of_curve)
    found += _each("tradeoffs", run.tradeoffs, _of_tradeoff)
    found += _each("bins", run.bins, _of_bin)
    if run.ece is not None:
        found += _at("", _shares("ece", [run.ece]))
    if run.confusion is not None:
        found += _at("confusion", _of_confusion(run.confusion))
    if run.agreement is not None:
        found += _at("agreement", _of_agreement(run.agreement))
    return found


def _at(path: str, said: Iterator[tuple[str, str]]) -> Iterator[Problem]:
    for place, what in said:
        yield Problem(".".join(filter(None, (path, place))), what)


def _each(
    name: str, values: Sequence[_T], check: Callable[[_T], Iterator[tuple[str, str]]]
) -> Iterator[Problem]:
    for place, value in enumerate(values):
        yield from _at(f"{name}[{place}]", check(value))


def _shares(name: str, values: Sequence[float]) -> Iterator[tuple[str, str]]:
    wrong = [value for value in values if not 0 <= value <= 1]
    if wrong:
        yield name, f"{wrong[0]} is not from 0 to 1"


def _counts(name: str, values: Sequence[int]) -> Iterator[tuple[str, str]]:
    wrong = [value for value in values if value < 0]
    if wrong:
        yield name, f"{wrong[0]} is below 0"


def _ends(name: str, intervals: Sequence[Interval]) -> Iterator[tuple[str, str]]:
    wrong = [(low, high) for low, high in intervals if low > high]
    if wrong:
        yield name, f"{wrong[0]} ends before it begins"


def _of_selection(selection: Selection) -> Iterator[tuple[str, str]]:
    shape, scores = selection.scores.shape, selection.scores
    if len(shape) != 2 or not scores.size:
        yield "scores", f"shape {shape}, not layers by neurons"
        return
    yield from _shares("scores", [float(scores.min()), float(scores.max())])
    beyond = [
        neuron
        for neuron in selection.chosen
        if not (1 <= neuron.layer <= shape[0] and 0 <= neuron.column < shape[1])
    ]
    if beyond:
        place = f"layer {beyond[0].layer}, column {beyond[0].column}"
        yield "chosen", f"{place} is not among {shape[0]} layers of {shape[1]}"
    yield from _shares("chosen", [neuron.score for neuron in selection.chosen])
    yield from _shares("null_maxima", selection.null_maxima)
    yield from _counts("n", [selection.n])


def _of_curve(curve: Curve) -> Iterator[tuple[str, str]]:
    n, scored, bounded = map(len, (curve.layers, curve.balanced_accuracy, curve.intervals))
    if not n or scored != n or bounded not in (0, n):
        yield "layers", f"{n} of them, with {scored} accuracies and {bounded} intervals"
    if list(curve.layers) != sorted({*curve.layers}) or min(curve.layers, default=1) < 1:
        yield "layers", f"{curve.layers} don't ascend from 1"
    yield from _shares("balanced_accuracy", curve.balanced_accuracy)
    yield from _ends("intervals", curve.intervals)
    yield from _counts("n", [curve.n])


def _of_tradeoff(point: Tradeoff) -> Iterator[tuple[str, str]]:
    yield from _shares("balanced_accuracy", [point.balanced_accuracy])
    yield from _ends("interval", [point.interval])
    yield from _ends("ms_range", [point.ms_range])
    if min(point.ms, *point.ms_range) <= 0:
        yield "ms", f"{min(point.ms, *point.ms_range)} ms is not above 0"
    yield from _counts("exit_layer", [point.exit_layer or 0])


def _of_bin(part: Bin) -> Iterator[tuple[str, str]]:
    yield from _shares("low", [part.low, part.high])
    yield from _ends("low", [(part.low, part.high)])
    yield from _shares("confidence", [part.confidence, part.accuracy])
    yield from _counts("n", [part.n])


def _of_confusion(confusion: Confusion) -> Iterator[tuple[str, str]]:
    n = len(confusion.labels)
    if [len(row) for row in confusion.counts] != [n] * n:
        yield "counts", f"not a row and a column for each of {n} labels"
    yield from _counts("counts", [count for row in confusion.counts for count in row])
    for name in ("right", "wrong", "unsure"):
        for place, example in enumerate(getattr(confusion, name)):
            for inner, what in _of_example(example):
                yield f"{name}[{place}].{inner}", what


def _of_example(example: Example) -> Iterator[tuple[str, str]]:
    yield from _shares("confidence", [example.confidence])
    if example.thumbnail and safe_thumbnail(example.thumbnail) is None:
        yield "thumbnail", _THUMBNAIL


def _of_agreement(agreement: Agreement) -> Iterator[tuple[str, str]]:
    a = agreement
    yield from _counts("", [a.both_right, a.only_ours, a.only_base, a.both_wrong])
