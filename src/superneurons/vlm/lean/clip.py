"""CLIP-type towers: learned positions, a class token, all pictures of one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import nn
from torch.nn import functional as F

from superneurons.vlm.lean.dense import Beside, Dense, LayerNorm, UnknownPartError
from superneurons.vlm.lean.tower import Grid, Projection, Seen, TowerLayer

__all__ = ["ClipTower"]

# Rows of a multiple of 16 bytes are what tensor cores take; a patch of 14 x 14 pixels isn't one.
_WHOLE = 8


@dataclass(frozen=True)
class ClipTower:
    """A CLIP-type tower and LLaVA's projector.

    Parameters
    ----------
    patch
        Pixels of a patch to its vector.
    side
        Pixels of a patch's side.
    leading
        The class token with its position, shape (1, W).
    positions
        Of the patches, shape (n, W).
    norm
        Before the first layer.
    layers
        All of them.
    read
        Numbers of the layers that the projector reads; 0 is what goes into the first.
    keeps_leading
        Whether it reads the class token too.
    projection
        The projector.
    """

    patch: Dense
    side: int
    leading: torch.Tensor
    positions: torch.Tensor
    norm: LayerNorm
    layers: tuple[TowerLayer, ...]
    read: tuple[int, ...]
    keeps_leading: bool
    projection: Projection

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        """Share the weights of a LLaVA model's tower and projector.

        Raises
        ------
        UnknownPartError
            When its tower is of another kind.
        """
        found = cast(Any, model).model
        tower = getattr(found.vision_tower, "vision_model", found.vision_tower)
        if not hasattr(tower, "pre_layrnorm"):
            raise UnknownPartError(f"a vision tower of type {type(tower).__name__}")
        embeddings, projector, config = tower.embeddings, found.multi_modal_projector, model.config
        kernel = embeddings.patch_embedding.weight.detach()
        positions = embeddings.position_embedding.weight.detach()
        layers = tuple(_layer(layer) for layer in tower.encoder.layers)
        wanted = cast(Any, config).vision_feature_layer
        wanted = [wanted] if isinstance(wanted, int) else list(wanted)
        return cls(
            patch=Dense(F.pad(kernel.flatten(1), (0, -kernel[0].numel() % _WHOLE))),
            side=int(kernel.shape[-1]),
            leading=embeddings.class_embedding.detach() + positions[:1],
            positions=positions[1:],
            norm=LayerNorm.of(tower.pre_layrnorm),
            layers=layers,
            read=tuple(number % (len(layers) + 1) for number in wanted),
            keeps_leading=cast(Any, config).vision_feature_select_strategy != "default",
            projection=Projection.of(projector.linear_1, projector.linear_2, projector.act),
        )

    def grids(self, tensors: Mapping[str, torch.Tensor]) -> tuple[Grid, ...]:
        """Rows and columns of patches of each picture."""
        n, _, height, width = tensors["pixel_values"].shape
        return ((height // self.side, width // self.side),) * n

    def tokens(self, grid: Grid) -> Grid:
        """One row of tokens, the class token among them where it is kept."""
        return 1, grid[0] * grid[1] + self.keeps_leading

    def see(
        self,
        tensors: Mapping[str, torch.Tensor],
        grids: tuple[Grid, ...],  # noqa: ARG002  (all are of one size)
        *,
        layers: Sequence[int] = (),
        project: bool = True,
        deep: int | None = None,  # noqa: ARG002  (there is nothing to add)
    ) -> Seen:
        """Look at the pictures; see :class:`~superneurons.vlm.lean.tower.Tower`."""
        x = self._embedded(tensors["pixel_values"])
        wanted = {*layers, *(self.read if project else ())}
        states = {0: x}
        for number, layer in enumerate(self.layers[: max(wanted)], start=1):
            x = layer(x)
            if number in wanted:
                states[number] = x
        found = {number: states[number] for number in layers}
        if not project:
            return Seen(found)
        start = 0 if self.keeps_leading else 1
        read = torch.cat([states[number][:, start:] for number in self.read], dim=-1)
        return Seen(found, self.projection(read).flatten(0, 1))

    def _embedded(self, pixels: torch.Tensor) -> torch.Tensor:
        """Patches as rows, (P, 1 + n, W): one product, where a convolution would do the same."""
        side, weight = self.side, self.patch.weight
        patches = pixels.to(weight.dtype).unfold(2, side, side).unfold(3, side, side)
        flat = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        x = self.patch(F.pad(flat, (0, weight.shape[1] - flat.shape[-1]))) + self.positions
        return self.norm(torch.cat([self.leading.expand(len(x), 1, -1), x], dim=1))


def _layer(layer: Any) -> TowerLayer:
    attention = layer.self_attn
    return TowerLayer(
        attention_norm=LayerNorm.of(layer.layer_norm1),
        qkv=Beside.of(attention.q_proj, attention.k_proj, attention.v_proj),
        out=Dense.of(attention.out_proj),
        mlp_norm=LayerNorm.of(layer.layer_norm2),
        up=Dense.of(layer.mlp.fc1),
        down=Dense.of(layer.mlp.fc2),
        act=layer.mlp.activation_fn,
        heads=int(attention.num_heads),
    )
