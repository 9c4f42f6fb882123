"""What an amplification does elsewhere: to unrelated text, and to other tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.capture import Progress
from superneurons.amplify.amplification import Amplification
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.outcome import choose
from superneurons.amplify.prefix import prefixes_of
from superneurons.amplify.readings import read_targets
from superneurons.amplify.sweep import TaskSweep, neurons_of
from superneurons.amplify.tasks import unrelated_texts
from superneurons.errors import DataError

__all__ = ["SideEffects", "divergence", "side_effects"]

_COMPARED = ("found", "random 1")


@dataclass(frozen=True)
class SideEffects:
    """What the chosen amplification of each of T tasks does elsewhere.

    Parameters
    ----------
    divergence
        Mean divergence of the next token's distribution on unrelated text, in nats: for the task's
        neurons and, at the same setting, for neurons drawn at random; shape (T, 2).
    changed
        Share of unrelated texts whose likeliest next token changes, shape (T, 2).
    interference
        Mean log-odds gain on the reported prompts of each task (column) by the amplification of
        each task (row), shape (T, T).
    """

    divergence: NDArray[np.float64]
    changed: NDArray[np.float64]
    interference: NDArray[np.float64]


@torch.inference_mode()
def divergence(base: torch.Tensor, amplified: torch.Tensor) -> NDArray[np.float64]:
    """Return the Kullback-Leibler divergence from the base model's next token, in nats.

    Parameters
    ----------
    base, amplified
        Logits of shape (N, V).

    Returns
    -------
    ndarray of shape (N,), float64

    Raises
    ------
    DataError
        When the shapes differ.

    Examples
    --------
    >>> divergence(torch.zeros(1, 3), torch.zeros(1, 3)).tolist()
    [0.0]
    """
    if base.shape != amplified.shape or base.ndim != 2:
        raise DataError(
            f"Logits of shapes {tuple(base.shape)} and {tuple(amplified.shape)} can't be compared.",
            where="logits",
            mend="Give two of the same shape (N, V).",
        )
    p, q = (logits.double().log_softmax(dim=1) for logits in (base, amplified))
    found: NDArray[np.float64] = (p.exp() * (p - q)).sum(dim=1).clamp(min=0).cpu().numpy()
    return found


def side_effects(
    model: LanguageModel,
    swept: Sequence[TaskSweep],
    *,
    texts: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> SideEffects:
    """Amplify what each task chose on unrelated text and on the other tasks.

    Parameters
    ----------
    model
        The model that was swept.
    swept
        T tasks.
    texts
        Unrelated; the embedded ones by default.
    progress
        Called with the number of tasks whose prompts are done, and of all.

    Raises
    ------
    DataError
        When prompts or texts are empty.
    """
    chosen = [_amplifications(model, one) for one in swept]
    apart, changed = _on_text(model, chosen, unrelated_texts() if texts is None else texts)
    columns = []
    for done, one in enumerate(swept, start=1):
        columns.append(_on_task(model, [of_task for of_task, _ in chosen], one))
        if progress is not None:
            progress(done, len(swept))
    return SideEffects(apart, changed, np.stack(columns, axis=1))


def _amplifications(model: LanguageModel, swept: TaskSweep) -> tuple[Amplification, Amplification]:
    choice, neurons = choose(swept), neurons_of(model, swept.task, swept.grid)
    found, drawn = (
        neurons[kind][choice.layer].amplification(choice.multiplier, choice.count)
        for kind in _COMPARED
    )
    return found, drawn


def _on_text(
    model: LanguageModel,
    chosen: Sequence[tuple[Amplification, Amplification]],
    texts: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    prefixes = prefixes_of(model, texts, last_token=True)
    base = prefixes.whole.logits()
    apart, changed = np.zeros((len(chosen), 2)), np.zeros((len(chosen), 2))
    for row, pair in enumerate(chosen):
        for column, amplification in enumerate(pair):
            logits = prefixes.at(amplification.layer).logits(amplification)
            apart[row, column] = divergence(base, logits).mean()
            moved = logits.argmax(dim=1) != base.argmax(dim=1)
            changed[row, column] = float(moved.float().mean())
    return apart, changed


def _on_task(
    model: LanguageModel, chosen: Sequence[Amplification], swept: TaskSweep
) -> NDArray[np.float64]:
    task = swept.task.some(swept.reporting)
    tokens = task.tokens(model)
    prefixes = prefixes_of(model, task.prompts, last_token=True)
    base = read_targets(prefixes.whole.logits(), tokens).log_odds.astype(np.float64)
    found = []
    for amplification in chosen:
        logits = prefixes.at(amplification.layer).logits(amplification)
        found.append((read_targets(logits, tokens).log_odds - base).mean())
    return np.array(found)
