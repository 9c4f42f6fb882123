"""One sentence of advice from a comparison, which can be "keep the base model"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from superneurons.errors import DataError
from superneurons.evaluate.metrics import Scores, score
from superneurons.evaluate.paired import PairedDifference, paired_difference

__all__ = ["Contestant", "Kind", "Recommendation", "recommend"]

Kind: TypeAlias = Literal["text", "base", "calibrated", "lens", "vision", "neurons", "probe"]

# The less there is to keep up, the earlier; a text-only classifier is a warning, never advice.
_EFFORT: tuple[Kind, ...] = ("base", "calibrated", "lens", "vision", "neurons", "probe")
_MARGIN = 0.01
_WORTH_SWITCHING = 1.2


@dataclass(frozen=True)
class Contestant:
    """One read-out's answers to the test samples.

    Parameters
    ----------
    name
        As in the table.
    kind
        What it takes to run it: the question's words, the base model, its calibrated logits, its
        head on an earlier layer, the vision tower, some neurons, or a trained probe.
    predicted
        N labels.
    ms
        Milliseconds per sample, where measured.
    """

    name: str
    kind: Kind
    predicted: Sequence[Any]
    ms: float | None = None


@dataclass(frozen=True)
class Recommendation:
    """What to do, and why.

    Parameters
    ----------
    sentence
        For people.
    choice
        Name of the recommended contestant; ``None`` when none can be recommended.
    behind_best
        For each contestant, how far the best one is ahead of it in balanced accuracy.
    """

    sentence: str
    choice: str | None
    behind_best: Mapping[str, PairedDifference]


def recommend(
    y_true: Sequence[Any],
    contestants: Sequence[Contestant],
    *,
    classes: Sequence[Any],
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> Recommendation:
    """Recommend the simplest read-out that isn't clearly worse than the best.

    A contestant is good enough when the best is ahead of it by less than a point of balanced
    accuracy, or by no more than chance explains (95 % paired bootstrap), and no simpler one that
    is not good enough has a higher balanced accuracy. Of those the simplest is recommended, unless
    another one is at least 1.2 times as fast.

    Parameters
    ----------
    y_true
        N right labels, on samples that chose nothing.
    contestants
        At least one that isn't text-only.
    classes, groups, seed
        As for :func:`~superneurons.evaluate.metrics.score`.

    Raises
    ------
    DataError
        Nobody to recommend; labels as in :func:`~superneurons.evaluate.metrics.score`.
    """
    eligible = sorted(
        (c for c in contestants if c.kind != "text"), key=lambda c: _EFFORT.index(c.kind)
    )
    if not eligible:
        raise DataError("Nobody to recommend.", mend="Compare at least the base model.")
    kwargs: dict[str, Any] = {"classes": classes, "groups": groups, "seed": seed}
    scores = {c.name: score(y_true, c.predicted, **kwargs) for c in contestants}
    best = max(eligible, key=lambda c: scores[c.name].balanced_accuracy)
    behind = {
        c.name: paired_difference(y_true, best.predicted, c.predicted, **kwargs)
        for c in contestants
    }
    if scores[best.name].balanced_accuracy_interval[0] <= 1 / len(scores[best.name].recall):
        sentence = (
            f"Nothing here beats guessing: the best, {best.name}, reaches a balanced accuracy of "
            f"{_percent(scores[best.name])}; label more samples or ask another way."
        )
        return Recommendation(sentence, None, behind)
    text = [c for c in contestants if c.kind == "text" and _good_enough(behind[c.name])]
    if text:
        sentence = (
            "Balance your data first: the words of the question alone reach "
            f"{_percent(scores[text[0].name])}, and nothing that sees the picture is clearly "
            "better."
        )
        return Recommendation(sentence, None, behind)
    good = _good(eligible, behind)
    choice = _fastest_worth_it(good)
    sentence = _sentence(choice, good[0], eligible, scores)
    return Recommendation(sentence, choice.name, behind)


def _good_enough(behind: PairedDifference) -> bool:
    return behind.difference < _MARGIN or behind.interval[0] <= 0


def _good(
    eligible: Sequence[Contestant], behind: Mapping[str, PairedDifference]
) -> list[Contestant]:
    # One that errs on other records than the best can be further behind it than a simpler one that
    # is clearly worse: what costs more and knows less is no advice, however wide its interval.
    ruled_out = [c for c in eligible if not _good_enough(behind[c.name])]

    def beaten(one: Contestant) -> bool:
        simpler = (c for c in ruled_out if _EFFORT.index(c.kind) <= _EFFORT.index(one.kind))
        return any(behind[c.name].difference < behind[one.name].difference for c in simpler)

    return [c for c in eligible if c not in ruled_out and not beaten(c)]


def _fastest_worth_it(good: Sequence[Contestant]) -> Contestant:
    simplest, times = good[0], [c.ms if c.ms is not None else np.inf for c in good]
    fastest = good[int(np.argmin(times))]
    if simplest.ms is None or fastest.ms is None or simplest.ms < _WORTH_SWITCHING * fastest.ms:
        return simplest
    return fastest


def _sentence(
    choice: Contestant,
    simplest: Contestant,
    eligible: Sequence[Contestant],
    scores: Mapping[str, Scores],
) -> str:
    reached = f"a balanced accuracy of {_percent(scores[choice.name])}"
    if choice is not simplest and choice.ms is not None and simplest.ms is not None:
        return (
            f"Use {choice.name}: with {reached} nothing is clearly better, and it is "
            f"{simplest.ms / choice.ms:.1f} times as fast as {simplest.name}."
        )
    advice = {
        "base": f"Keep the base model: with {reached} nothing is clearly better.",
        "calibrated": f"Calibrate the base model's logits: with {reached} nothing is clearly "
        "better.",
        "vision": f"A vision-only probe is enough: with {reached} nothing is clearly better.",
    }
    if choice.kind in advice:
        return advice[choice.kind]
    bases = [c for c in eligible if c.kind == "base"]
    against = ""
    if bases:
        ahead = scores[choice.name].balanced_accuracy - scores[bases[0].name].balanced_accuracy
        against = f", {100 * ahead:.1f} points more than the base model"
    return f"Use {choice.name}: it reaches {reached}{against}."


def _percent(scores: Scores) -> str:
    low, high = scores.balanced_accuracy_interval
    value = scores.balanced_accuracy
    return f"{100 * value:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f})"
