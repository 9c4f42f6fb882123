"""The norm that stock engines put between the last decoder layer and a head, without weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from superneurons.vlm.family import Family, part

__all__ = ["FinalNorm", "final_norm"]

_TRIED = 7.0


@dataclass(frozen=True)
class FinalNorm:
    """A final norm that leaves directions as they are.

    Parameters
    ----------
    module
        The model's own kind of norm, its weights such that it scales nothing.
    tensors
        These weights by their names in the module.
    keeps_direction
        Whether a state leaves it as a positive multiple of itself: true of RMS norms, not of
        layer norms, which take the mean away first.
    """

    module: nn.Module
    tensors: dict[str, torch.Tensor]
    keeps_direction: bool

    @torch.inference_mode()
    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Return states (N, D) as a stock engine's head gets them, float32."""
        normed: torch.Tensor = self.module(states.float())
        return normed


def final_norm(config: Any, family: Family) -> FinalNorm:
    """Build the final norm of a model, with weights that scale nothing.

    Parameters
    ----------
    config
        The model's.
    family
        Where its parts are.

    Raises
    ------
    ModelError
        When the model has no final norm where its family says.
    """
    import transformers

    config = copy.deepcopy(config)
    text = config.get_text_config()
    text.num_hidden_layers = 1
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:1]
    with torch.device("meta"):
        model = getattr(transformers, family.model_class)(config)
    module = part(model, family.norm, family=family.name).to_empty(device="cpu").float().eval()
    trial = torch.linspace(-_TRIED, _TRIED, int(text.hidden_size))[None] ** 3 + 1.0
    wanted = trial / trial.pow(2).mean().sqrt()
    for scale in (1.0, 0.0):  # Gemma's norms add 1 to their weights
        _fill(module, scale)
        with torch.inference_mode():
            keeps = torch.allclose(module(trial), wanted, rtol=1e-3, atol=1e-4)
        if keeps:
            break
    else:
        _fill(module, 1.0)
    tensors = {name: value.detach().clone() for name, value in module.named_parameters()}
    return FinalNorm(module, tensors, keeps)


def _fill(module: nn.Module, scale: float) -> None:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else scale)
