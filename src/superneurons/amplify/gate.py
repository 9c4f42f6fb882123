"""Amplify only where the model is unsure, by a threshold chosen on a calibration split.

The publication looks at the probability of the right answer, which nobody knows before the answer.
The gate goes by what is known: the largest probability, of all tokens or of those allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from superneurons.amplify.amplification import Amplification
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.prefix import prefix_of
from superneurons.errors import DataError

__all__ = ["Gate", "Gated", "choose_gate", "confidence", "gated_logits"]


@dataclass(frozen=True)
class Gate:
    """Open where the base model's confidence is below a threshold.

    Parameters
    ----------
    threshold
        From 0 (never open) up; above 1 it is always open.

    Raises
    ------
    DataError
        When it is negative or NaN.

    Examples
    --------
    >>> Gate(0.5).open(np.array([0.2, 0.5, 0.9])).tolist()
    [True, False, False]
    """

    threshold: float

    def __post_init__(self) -> None:
        if not self.threshold >= 0:
            raise DataError(
                f"The gate's threshold is {self.threshold}.",
                where="threshold",
                mend="Give a confidence from 0 (never amplify) up; above 1 is always.",
            )

    def open(self, confidences: ArrayLike) -> NDArray[np.bool_]:
        """Return where it is open, shape (N,)."""
        return np.asarray(np.asarray(confidences, dtype=np.float64) < self.threshold)


@dataclass(frozen=True)
class Gated:
    """Logits behind a gate.

    Parameters
    ----------
    logits
        Shape (N, V), float32.
    confidence
        Of the base model, shape (N,), float64.
    amplified
        Which rows were amplified, shape (N,); the others are the base model's, bit for bit.
    """

    logits: torch.Tensor
    confidence: NDArray[np.float64]
    amplified: NDArray[np.bool_]


def confidence(logits: torch.Tensor, tokens: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Return the largest probability of each row, shape (N,).

    Parameters
    ----------
    logits
        Shape (N, V).
    tokens
        Those that can be an answer; all by default.
    """
    allowed = logits if tokens is None else logits[:, list(tokens)]
    found: NDArray[Any] = allowed.double().softmax(dim=1).amax(dim=1).cpu().numpy()
    return found


def choose_gate(confidences: ArrayLike, base: ArrayLike, amplified: ArrayLike) -> Gate:
    """Choose the threshold that brings most on a calibration split.

    Parameters
    ----------
    confidences
        Of the base model on N samples of the calibration split.
    base, amplified
        What each sample is worth without and with amplification, shape (N,): the log-odds of the
        right token, or 1 where the answer is right and 0 where it is wrong.

    Returns
    -------
    Gate
        The lowest threshold with the largest sum; 0 where amplification brings nothing. Midway
        between two confidences, so that rounding doesn't move it.

    Raises
    ------
    DataError
        When there is nothing to choose on, or the shapes differ or hold NaN.

    Examples
    --------
    >>> choose_gate([0.2, 0.4, 0.9], base=[0, 0, 1], amplified=[1, 1, 0]).threshold
    0.65
    """
    sure, plain, more = (np.asarray(v, dtype=np.float64) for v in (confidences, base, amplified))
    usable = sure.ndim == 1 and len(sure) > 0 and sure.shape == plain.shape == more.shape
    if not usable or not np.isfinite(np.stack([sure, more - plain])).all():
        raise DataError(
            f"A gate cannot be chosen on shapes {sure.shape}, {plain.shape} and {more.shape}.",
            where="calibration split",
            mend="Give three finite numbers for each of at least one sample.",
        )
    order = np.argsort(sure, kind="stable")
    sure, gain = sure[order], (more - plain)[order]
    ends = np.append(np.flatnonzero(np.diff(sure) > 0), len(sure) - 1)  # equals go together
    sums = np.round(np.cumsum(gain)[ends], 12)
    best = int(np.argmax(sums))
    if sums[best] <= 0:
        return Gate(0.0)
    if best == len(ends) - 1:
        return Gate(float(np.nextafter(max(1.0, sure[-1]), 2.0)))
    return Gate(float((sure[ends[best]] + sure[ends[best] + 1]) / 2))


def gated_logits(
    model: LanguageModel,
    prompts: Sequence[str],
    amplification: Amplification,
    gate: Gate,
    *,
    tokens: Sequence[int] | None = None,
    batch_size: int = 16,
) -> Gated:
    """Ask the base model first, and amplify the rows that it is unsure of.

    The layers before the amplified one run once per batch; those from it on run again only where
    the gate is open for a row of the batch.

    Parameters
    ----------
    model
        The whole model.
    prompts
        N of them.
    amplification, gate
        What is multiplied, and when.
    tokens
        Those that can be an answer, for the confidence; all by default.
    batch_size
        Prompts per forward pass.

    Raises
    ------
    DataError, MismatchError, ModelError
        As :func:`~superneurons.amplify.amplification.amplified` does, also where no gate opens.
    """
    amplification.check(model)
    parts, sure, opened = [], [], []
    for start in range(0, len(prompts), batch_size):
        prefix = prefix_of(model, prompts[start : start + batch_size], amplification.layer)
        logits = prefix.logits()
        sure.append(confidence(logits, tokens))
        opened.append(gate.open(sure[-1]))
        if opened[-1].any():
            rows = torch.from_numpy(opened[-1])
            more = prefix.logits(amplification, rows)
            logits = torch.where(rows.to(more.device)[:, None], more, logits)
        parts.append(logits.cpu())
    if not parts:
        raise DataError("There are no prompts.", mend="Give at least one.")
    return Gated(torch.cat(parts), np.concatenate(sure), np.concatenate(opened))
