"""Where an activation is read, and how a column of a flat array finds its layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError
from superneurons.vlm.taps import KINDS, PICTURE_KINDS, Kind

__all__ = ["POSITIONS", "TOKENS", "Neuron", "Position", "Site", "neurons_of"]

Position: TypeAlias = Literal["last_prompt", "first_generated", "image_mean", "image_max"]
POSITIONS: tuple[Position, ...] = get_args(Position)
TOKENS: tuple[Position, ...] = ("last_prompt", "first_generated")
"""The positions that are one token, at which the model is about to say something."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is read at each layer, and at which tokens.

    Parameters
    ----------
    kind
        ``residual``: the residual stream after a decoder layer, before any final norm. ``mlp``:
        the neurons of its MLP, the input of the down projection. ``heads``: its attention heads
        side by side, the input of the output projection. ``vision``: a layer of the vision tower,
        and ``projector``: what the projector makes of its output, both averaged over the patches
        of the record's pictures; these two need no question and no decoder layer.
    position
        ``last_prompt``: the last token of the prompt, in the pass that would produce the first
        answer token. ``first_generated``: that answer token itself, in the pass that reads it. The
        paper leaves open which of the two it read (section 3.1 against table 5); only the first
        allows the pass to stop early, since the second needs the model's answer to begin with.
        ``image_mean``, ``image_max``: the mean, or the largest value, over all tokens of the
        record's pictures, in the pass that reads the prompt; it may stop early, too. With the
        question asked first, these tokens know it.

    Raises
    ------
    DataError
        For an unknown kind or position, or for a kind of pictures at any but the first.

    Examples
    --------
    >>> str(Site("heads")), str(Site(position="first_generated"))
    ('heads', 'residual@first_generated')
    """

    kind: Kind = "residual"
    position: Position = "last_prompt"

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.position not in POSITIONS:
            raise DataError(
                f"There is no site {self.kind!r} at {self.position!r}.",
                where="site",
                mend=f"Kinds: {', '.join(KINDS)}. Positions: {', '.join(POSITIONS)}.",
            )
        if self.sees_only_pictures and self.position != "last_prompt":
            raise DataError(
                f"The pictures' own activations ({self.kind}) are averaged over patches, at no "
                f"token of the prompt or answer ({self.position}).",
                where="site",
                mend="Leave the position at last_prompt.",
            )

    def __str__(self) -> str:
        suffix = "" if self.position == "last_prompt" else f"@{self.position}"
        return f"{self.kind}{suffix}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the site that ``str`` gave ``text`` for."""
        kind, _, position = text.partition("@")
        return cls(kind, position or "last_prompt")  # type: ignore[arg-type]  # checked above

    @property
    def sees_only_pictures(self) -> bool:
        """Whether no decoder layer is needed, and the question plays no part."""
        return self.kind in PICTURE_KINDS

    def exit_layer(self, layer: int, n_layers: int) -> int:
        """Decoder layers that have to run before layer ``layer`` of this site can be read.

        At the first generated token that is all ``n_layers``: the answer has to begin first.
        """
        if self.sees_only_pictures:
            return 0
        return n_layers if self.position == "first_generated" else layer

    @property
    def answers_first(self) -> bool:
        """Whether the whole model has to begin its answer before this can be read."""
        return self.position == "first_generated"


@dataclass(frozen=True, order=True, slots=True)
class Neuron:
    """One scalar of a site.

    Parameters
    ----------
    layer
        Number of the layer, from 1.
    index
        Place in the layer's vector, from 0.
    """

    layer: int
    index: int


def neurons_of(columns: NDArray[Any], width: int) -> list[Neuron]:
    """Name the columns of activations (N, L, W) flattened to (N, L * W).

    Examples
    --------
    >>> neurons_of(np.array([0, 5]), width=4)
    [Neuron(layer=1, index=0), Neuron(layer=2, index=1)]
    """
    layers, indices = np.divmod(np.asarray(columns, dtype=np.int64), width)
    places = zip(layers.tolist(), indices.tolist(), strict=True)
    return [Neuron(layer + 1, index) for layer, index in places]
