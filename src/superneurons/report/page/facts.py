"""What a comparison says of each way of answering, and which of them a report is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superneurons.evaluate.comparison import FIRST_TOKEN, GENERATE
from superneurons.report.run import Interval, Run
from superneurons.report.svg.strip import Mark

__all__ = ["Way", "answers_of", "base_of", "beside", "subject_of", "ways_of"]

_BLIND = ("text only", "majority class")
_SHUFFLED = "shuffled labels"
_SEARCHED = "chosen shortcut"


@dataclass(frozen=True, slots=True)
class Way:
    """One way of answering. What wasn't measured is ``None``.

    Parameters
    ----------
    name, note
        What it is, and what has to be said beside it.
    n
        Records that it answered.
    balanced, balanced_interval, accuracy, accuracy_interval, f1, ece
        How well it did, on these.
    exit_layer, neurons
        Decoder layers that run, and what is read.
    ms, ms_range
        Median milliseconds of one record, and quartiles.
    over_generate, over_prefill
        How many times as fast it is as the base model's generation and its first token.
    agreement
        Share of the records that it answers as the base model's first token does.
    best_neuron, null_maximum
        Accuracy of the best single neuron, and what the best reaches with shuffled labels.
    """

    name: str
    note: str
    n: int | None
    balanced: float | None
    balanced_interval: Interval | None
    accuracy: float | None
    accuracy_interval: Interval | None
    f1: float | None
    ece: float | None
    exit_layer: int | None
    neurons: int | None
    ms: float | None
    ms_range: Interval | None
    over_generate: float | None
    over_prefill: float | None
    agreement: float | None
    best_neuron: float | None
    null_maximum: float | None


def ways_of(run: Run) -> tuple[Way, ...]:
    """Return the rows of a run's comparison; none without one."""
    rows: Sequence[Mapping[str, Any]] = (run.comparison or {}).get("rows", ())
    return tuple(map(_way, rows))


def _way(row: Mapping[str, Any]) -> Way:
    scores, ms = row.get("scores") or {}, row.get("ms") or {}
    return Way(
        name=row["name"],
        note=row.get("note") or "",
        n=scores.get("n"),
        balanced=scores.get("balanced_accuracy"),
        balanced_interval=_pair(scores.get("balanced_accuracy_interval")),
        accuracy=scores.get("accuracy"),
        accuracy_interval=_pair(scores.get("accuracy_interval")),
        f1=scores.get("f1"),
        ece=scores.get("ece"),
        exit_layer=row.get("exit_layer"),
        neurons=row.get("neurons"),
        ms=ms.get("median"),
        ms_range=(ms["low"], ms["high"]) if ms else None,
        over_generate=row.get("speed_up_over_generate"),
        over_prefill=row.get("speed_up_over_prefill"),
        agreement=row.get("agreement"),
        best_neuron=row.get("best_neuron"),
        null_maximum=row.get("null_maximum"),
    )


def _pair(values: Sequence[float] | None) -> Interval | None:
    return None if values is None else (values[0], values[1])


def subject_of(run: Run, ways: Sequence[Way]) -> Way | None:
    """Return the way of answering that the report is about.

    What is recommended; else whose answers were kept; else what was chosen for its time; else the
    first that reads neurons. Never the best of several: a part of its lead would be chance.
    """
    advice = (run.comparison or {}).get("recommendation") or {}
    names = [
        advice.get("choice"),
        run.subject,
        *(point.name for point in run.tradeoffs if point.chosen),
    ]
    names.append(_SEARCHED)
    names += [way.name for way in ways if way.neurons and _SHUFFLED not in way.name]
    scored = {way.name: way for way in ways if way.balanced is not None}
    return next((scored[name] for name in names if name in scored), None)


def answers_of(run: Run) -> str:
    """Say whose answers were kept, as the beginning of a caption."""
    return f"Answers of {run.subject}. " if run.subject else ""


def base_of(ways: Sequence[Way]) -> Way | None:
    """Return the base model's own answer: its first token, or else what it generates."""
    scored = {way.name: way for way in ways if way.balanced is not None}
    return scored.get(FIRST_TOKEN) or scored.get(GENERATE)


def beside(run: Run, ways: Sequence[Way], subject: Way) -> tuple[Mark, ...]:
    """Return what a report is about, the neurons of the map if they are others, and all rivals."""
    base = base_of(ways)
    rivals = [base] if base is not None else []
    if run.selection is not None:
        rivals += [way for way in ways if way.name == run.selection.read_out]
    rivals += [way for name in _BLIND for way in ways if way.name == name]
    shown = [subject, *(way for way in rivals if way.name != subject.name)]
    looks = {subject.name: "ours"} | ({base.name: "base"} if base else {})
    return tuple(
        Mark(way.name, way.balanced, way.balanced_interval, looks.get(way.name, "rest"))
        for way in shown
        if way.balanced is not None
    )
