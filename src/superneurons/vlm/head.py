"""A model's own logits of a state: what it does after its decoder, be it more than one product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from superneurons.vlm.family import Family
from superneurons.vlm.twin import with_child

__all__ = ["Head"]


class Head:
    """What a model makes of its decoder's last, normed state: its own forward pass from there on.

    That is its head, and what some models do to the logits afterwards (scaling or capping them),
    which depends on the version of ``transformers``, too.

    Parameters
    ----------
    model, family
        The whole model. It stays as it was.
    tokens
        Which logits, in float32; all by default, in the model's dtype.
    """

    def __init__(
        self, model: nn.Module, family: Family, tokens: Sequence[int] | None = None
    ) -> None:
        twin = with_child(model, family.trunk, _Given())
        if tokens is not None:
            head = cast(Any, model).get_output_embeddings()
            path = next(name for name, module in model.named_modules() if module is head)
            twin = with_child(twin, path, _rows(head, tokens))
        self._twin = cast(Any, twin)

    def __call__(self, normed: torch.Tensor) -> torch.Tensor:
        """Return the logits of normed states (B, D), shape (B, tokens) float32."""
        logits: torch.Tensor = self._twin(inputs_embeds=normed[:, None], use_cache=False).logits
        return logits[:, 0].float()


class _Given(nn.Module):
    """In the place of all that comes before the head: returns the states it is given."""

    def forward(self, *_: Any, inputs_embeds: torch.Tensor, **__: Any) -> _Output:
        return _Output([inputs_embeds])


class _Output(tuple[torch.Tensor]):
    """The output of a trunk, which has nothing but states, whatever else it is asked for."""

    @property
    def last_hidden_state(self) -> torch.Tensor:
        return self[0]

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def _rows(head: nn.Linear, tokens: Sequence[int]) -> nn.Linear:
    wanted = torch.tensor(list(tokens), device=head.weight.device)
    fewer = nn.Linear(head.in_features, len(tokens), bias=head.bias is not None, device="meta")
    for name, value in head.named_parameters():
        setattr(fewer, name, nn.Parameter(value.detach()[wanted].float(), requires_grad=False))
    return fewer
