"""Low-rank updates of a frozen model's linear layers (LoRA, Hu et al. 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["LowRankLinear", "add_lora", "lora_parameters", "lora_state"]


class LowRankLinear(nn.Module):
    """A frozen linear layer with ``W + scale · B A`` in place of ``W``.

    ``B`` is zero at the start, so nothing changes then. The sum is formed before the product with
    the input: for many tokens one product with a whole matrix beats three with parts of it.
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = linear.weight, linear.bias, scale
        rows, columns = linear.weight.shape
        where = linear.weight.device
        self.lora_A = nn.Parameter(torch.randn(rank, columns, device=where) / columns**0.5)
        self.lora_B = nn.Parameter(torch.zeros(rows, rank, device=where))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs, ``(…, out)``."""
        return F.linear(inputs, self.weight + self.scale * (self.lora_B @ self.lora_A), self.bias)


def add_lora(model: nn.Module, *, rank: int, scale: float) -> None:
    """Freeze a model and give each linear layer in it a trainable low-rank update."""
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, LowRankLinear(child, rank, scale))


def lora_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the trainable parameters that `add_lora` made."""
    return [parameter for name, parameter in model.named_parameters() if ".lora_" in name]


def lora_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the updates by name: ``layers.0.mlp.up_proj.lora_A`` and ``….lora_B``."""
    return {name: tensor for name, tensor in model.state_dict().items() if ".lora_" in name}
