"""How near a model is to the right token: log-odds, probability and rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from superneurons.errors import DataError

__all__ = ["Readings", "log_odds_of", "probability_of", "read_targets"]


@dataclass(frozen=True)
class Readings:
    """What logits say of the right tokens of N prompts.

    Parameters
    ----------
    log_odds
        Log of p / (1 - p) of the right token, shape (…, N), float32.
    rank
        1 where no token is likelier, shape (…, N), int32.
    confidence
        The largest probability of any token, shape (…, N), float32.
    """

    log_odds: NDArray[np.float32]
    rank: NDArray[np.int32]
    confidence: NDArray[np.float32]

    @property
    def probability(self) -> NDArray[np.float64]:
        """Of the right token, shape (…, N)."""
        return probability_of(self.log_odds)

    def rows(self, rows: NDArray[np.int64]) -> Readings:
        """Return those of some prompts."""
        return Readings(self.log_odds[..., rows], self.rank[..., rows], self.confidence[..., rows])


@torch.inference_mode()
def read_targets(logits: torch.Tensor, targets: ArrayLike) -> Readings:
    """Read the right token's standing from logits.

    The odds are against all other tokens together, summed without the right one: 1 - p would lose
    its digits where p is near 1.

    Parameters
    ----------
    logits
        Shape (N, V), finite.
    targets
        The right tokens, shape (N,).

    Raises
    ------
    DataError
        When the shapes don't fit, or logits are no finite numbers.

    Examples
    --------
    >>> found = read_targets(torch.tensor([[1.0, 1.0, 0.0]]), [0])
    >>> round(float(found.probability[0]), 3), int(found.rank[0])
    (0.422, 1)
    """
    tokens = torch.as_tensor(np.asarray(targets, dtype=np.int64), device=logits.device)
    fits = logits.ndim == 2 and tokens.shape == logits.shape[:1]
    if not fits or not bool(logits.isfinite().all()):
        raise DataError(
            f"Logits of shape {tuple(logits.shape)} cannot be read for {tokens.numel()} targets.",
            where="logits",
            mend="Give finite logits of shape (N, V) and N targets.",
        )
    logits, column = logits.float(), tokens[:, None]
    own = logits.gather(1, column)
    others = logits.scatter(1, column, -torch.inf).logsumexp(dim=1)
    rank = 1 + (logits > own).sum(dim=1)
    top = (logits.amax(dim=1) - torch.logaddexp(others, own[:, 0])).exp()
    return Readings(
        (own[:, 0] - others).cpu().numpy(),
        rank.cpu().numpy().astype(np.int32),
        top.cpu().numpy(),
    )


def probability_of(log_odds: ArrayLike) -> NDArray[np.float64]:
    """Turn log-odds into probabilities, of the same shape.

    Examples
    --------
    >>> probability_of([0.0]).tolist()
    [0.5]
    """
    from scipy.special import expit

    return np.asarray(expit(np.asarray(log_odds, dtype=np.float64)))


def log_odds_of(probability: ArrayLike) -> NDArray[np.float64]:
    """Turn probabilities between 0 and 1 into log-odds, of the same shape.

    Examples
    --------
    >>> log_odds_of([0.5]).tolist()
    [0.0]
    """
    from scipy.special import logit

    return np.asarray(logit(np.asarray(probability, dtype=np.float64)))
