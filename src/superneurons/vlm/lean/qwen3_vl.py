"""Qwen3-VL's tower: pictures of any size, positions by rotation, features for several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import torch
from torch import nn
from torch.nn import functional as F

from superneurons.vlm.lean.decoder import Rope
from superneurons.vlm.lean.dense import Beside, Dense, LayerNorm
from superneurons.vlm.lean.tower import Grid, Projection, Seen, TowerLayer

__all__ = ["Merger", "Qwen3VLTower"]

# Sizes of pictures whose positions are kept.
_MOST_GRIDS = 256


@dataclass(frozen=True)
class Merger:
    """Neighbouring patches into one image token; the norm is before or after they are joined."""

    norm: LayerNorm
    projection: Projection

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """Share a merger's weights."""
        found = cast(Any, module)
        return cls(
            LayerNorm.of(found.norm),
            Projection.of(found.linear_fc1, found.linear_fc2, found.act_fn),
        )

    def __call__(self, x: torch.Tensor, patches: int) -> torch.Tensor:
        """(P, n, W) to (P · n / patches, D)."""
        joined = patches * x.shape[-1]
        if self.norm.weight.shape[0] == joined:
            return self.projection(self.norm(x.reshape(-1, joined)))
        return self.projection(self.norm(x).reshape(-1, joined))


@dataclass(frozen=True, eq=False)
class Qwen3VLTower:
    """The tower, its merger, and the mergers whose output enters after decoder layers.

    Parameters
    ----------
    patch
        Pixels of a patch to its vector.
    positions
        Learned positions on a square grid, shape (side², W).
    frequencies
        Of the rotation along one axis, shape (head width / 4,), float32.
    layers, merger
        The tower and what ends it.
    deep_layers, deep_mergers
        After which layers, from 1, features are taken for the decoder, and by what.
    merge
        Patches along the side of an image token.
    """

    patch: Dense
    positions: torch.Tensor
    frequencies: torch.Tensor
    layers: tuple[TowerLayer, ...]
    merger: Merger
    deep_layers: tuple[int, ...]
    deep_mergers: tuple[Merger, ...]
    merge: int
    _known: dict[Grid, tuple[torch.Tensor, Rope]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        """Share the weights of a model's tower."""
        tower = cast(Any, model).model.visual
        convolution, frequencies = tower.patch_embed.proj, tower.rotary_pos_emb.inv_freq
        return cls(
            patch=Dense(convolution.weight.detach().flatten(1), convolution.bias.detach()),
            positions=tower.pos_embed.weight.detach(),
            frequencies=frequencies.detach().float(),
            layers=tuple(_layer(block) for block in tower.blocks),
            merger=Merger.of(tower.merger),
            deep_layers=tuple(index + 1 for index in tower.deepstack_visual_indexes),
            deep_mergers=tuple(Merger.of(merger) for merger in tower.deepstack_merger_list),
            merge=int(tower.spatial_merge_size),
        )

    def grids(self, tensors: Mapping[str, torch.Tensor]) -> tuple[Grid, ...]:
        """Rows and columns of patches of each picture."""
        rows: list[list[int]] = tensors["image_grid_thw"].tolist()
        return tuple((frames * height, width) for frames, height, width in rows)

    def tokens(self, grid: Grid) -> Grid:
        """Rows and columns of image tokens."""
        return grid[0] // self.merge, grid[1] // self.merge

    def see(
        self,
        tensors: Mapping[str, torch.Tensor],
        grids: tuple[Grid, ...],
        *,
        layers: Sequence[int] = (),
        project: bool = True,
        deep: int | None = None,
    ) -> Seen:
        """Look at the pictures, those of one size together."""
        pixels = tensors["pixel_values"]
        if len(set(grids)) == 1:
            return self._see(pixels, len(grids), grids[0], layers, project, deep)
        sizes = [height * width for height, width in grids]
        each = [
            self._see(part, 1, grid, layers, project, deep)
            for part, grid in zip(torch.split(pixels, sizes), grids, strict=True)
        ]
        return Seen(
            {n: torch.cat([seen.layers[n].flatten(0, 1) for seen in each]) for n in layers},
            torch.cat([cast(torch.Tensor, seen.tokens) for seen in each]) if project else None,
            [torch.cat(parts) for parts in zip(*(seen.deep for seen in each), strict=True)],
        )

    def _see(
        self,
        pixels: torch.Tensor,
        pictures: int,
        grid: Grid,
        layers: Sequence[int],
        project: bool,
        deep: int | None,
    ) -> Seen:
        positions, rope = self._places(grid)
        patches = self.patch(pixels.to(self.patch.weight.dtype))
        x = patches.view(pictures, -1, patches.shape[-1]) + positions
        taken = self.deep_layers[:deep] if project else ()
        states: dict[int, torch.Tensor] = {}
        features: list[torch.Tensor] = []
        for number, layer in enumerate(self.layers, start=1):
            if not project and number > max(layers):
                break
            x = layer(x, rope)
            if number in layers:
                states[number] = x
            if number in taken:
                features.append(self.deep_mergers[len(features)](x, self.merge**2))
        return Seen(states, self.merger(x, self.merge**2) if project else None, features)

    def _places(self, grid: Grid) -> tuple[torch.Tensor, Rope]:
        found = self._known.get(grid)
        if found is None:
            found = self._new_places(grid)
            if len(self._known) < _MOST_GRIDS:  # and never dropped: recorded graphs read them
                self._known[grid] = found
        return found

    def _new_places(self, grid: Grid) -> tuple[torch.Tensor, Rope]:
        """Learned positions (n, W) and angles (n, head width) of a grid, its patches by token."""
        height, width = grid
        side, device = int(len(self.positions) ** 0.5), self.positions.device
        square = self.positions.float().T.reshape(1, -1, side, side)
        resized = F.interpolate(square, size=grid, mode="bilinear", align_corners=True)
        rows, columns = torch.meshgrid(
            torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
        )
        angles = torch.cat([place[..., None] * self.frequencies for place in (rows, columns)], -1)
        angles = self._by_token(torch.cat([angles, angles], dim=-1))
        return (
            self._by_token(resized[0].permute(1, 2, 0)).to(self.positions.dtype),
            (angles.cos(), angles.sin()),
        )

    def _by_token(self, values: torch.Tensor) -> torch.Tensor:
        """(height, width, W) to (n, W), the patches of an image token after one another."""
        merge = self.merge
        blocks = torch.unflatten(torch.unflatten(values, 0, (-1, merge)), 2, (-1, merge))
        return blocks.transpose(1, 2).reshape(-1, values.shape[-1])


def _layer(block: Any) -> TowerLayer:
    return TowerLayer(
        attention_norm=LayerNorm.of(block.norm1),
        qkv=Beside.split(block.attn.qkv, 3),
        out=Dense.of(block.attn.proj),
        mlp_norm=LayerNorm.of(block.norm2),
        up=Dense.of(block.mlp.linear_fc1),
        down=Dense.of(block.mlp.linear_fc2),
        act=block.mlp.act_fn,
        heads=int(block.attn.num_heads),
    )
