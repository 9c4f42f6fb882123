"""Where an activation is read, and how a column of a flat array finds its layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neuron", "Site", "neurons_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """What is read at each decoder layer, and at which token.

    Parameters
    ----------
    kind
        ``residual``: the residual stream after the layer, before any final norm.
    position
        ``last_prompt``: the last token of the prompt, in the pass that would produce the first
        answer token. It is the position that allows the pass to stop early; the paper leaves open
        whether it read this one or the next (section 3.1 against table 5).
    """

    kind: Literal["residual"] = "residual"
    position: Literal["last_prompt"] = "last_prompt"


@dataclass(frozen=True, order=True, slots=True)
class Neuron:
    """One scalar of a site.

    Parameters
    ----------
    layer
        Number of decoder layers that have run, from 1.
    index
        Place in the layer's vector, from 0.
    """

    layer: int
    index: int


def neurons_of(columns: NDArray[Any], hidden_size: int) -> list[Neuron]:
    """Name the columns of activations (N, L, D) flattened to (N, L * D).

    Examples
    --------
    >>> neurons_of(np.array([0, 5]), hidden_size=4)
    [Neuron(layer=1, index=0), Neuron(layer=2, index=1)]
    """
    layers, indices = np.divmod(np.asarray(columns, dtype=np.int64), hidden_size)
    places = zip(layers.tolist(), indices.tolist(), strict=True)
    return [Neuron(layer + 1, index) for layer, index in places]
