"""What goes into a forward pass, and what one leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from superneurons.vlm.positions import PromptPosition
from superneurons.vlm.taps import Kind

__all__ = ["TEXT_INPUTS", "Inputs", "LastStates"]

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""The tensors that have a column for each token."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch ready for the model.

    Parameters
    ----------
    tensors
        What the model's ``forward`` takes, on its device.
    last
        Index of the last token of each row, shape (B,).
    pictures
        How many pictures each row has.
    """

    tensors: Mapping[str, torch.Tensor]
    last: torch.Tensor
    pictures: tuple[int, ...]

    def __len__(self) -> int:
        return int(self.last.shape[0])

    def followed_by(self, tokens: torch.Tensor, token_type: int = 0) -> Inputs:
        """Return the batch with one more token in each row, after its last one.

        Parameters
        ----------
        tokens
            Token ids, shape (B,).
        token_type
            What ``token_type_ids`` are for it, where there are any.
        """
        rows, wider = torch.arange(len(self)), dict(self.tensors)
        for name in (name for name in TEXT_INPUTS if name in wider):
            wider[name] = torch.nn.functional.pad(wider[name], (0, 1))
        wider["input_ids"][rows, self.last + 1] = tokens.to(wider["input_ids"])
        wider["attention_mask"][rows, self.last + 1] = 1
        if "token_type_ids" in wider:
            wider["token_type_ids"][rows, self.last + 1] = token_type
        return replace(self, tensors=wider, last=self.last + 1)


@dataclass(frozen=True, slots=True)
class LastStates:
    """What one forward pass leaves at the last token, and of the pictures.

    Parameters
    ----------
    parts
        For each kind of site that was asked for, shape (B, L, W): decoder layers at the last token
        in the model's dtype, patch averages in float32.
    logits
        Logits of the next token, shape (B, V) float32; ``None`` unless asked for.
    over_image
        Decoder layers over the pictures' tokens, shape (B, L, W) float32, by kind and position.
    """

    parts: Mapping[Kind, torch.Tensor]
    logits: torch.Tensor | None
    over_image: Mapping[tuple[Kind, PromptPosition], torch.Tensor] = field(default_factory=dict)

    @property
    def residual(self) -> torch.Tensor:
        """Residual stream after each layer that ran, never normed, not even after the last."""
        return self.parts["residual"]

    def at(self, kind: Kind, position: PromptPosition = "last_prompt") -> torch.Tensor:
        """Return one of the sites, shape (B, L, W)."""
        return self.parts[kind] if position == "last_prompt" else self.over_image[kind, position]
