"""A decoder layer in three ways: whole, only where it is read, and completed after that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast

import torch
from torch import nn
from torch.nn import functional as F

from superneurons.vlm.lean.dense import Beside, Dense, RMSNorm, UnknownPartError

__all__ = ["DecoderLayer", "Passed", "Pending", "Rope", "rotate"]

Rope: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines of the positions' angles, each (1 or B, T, width of a head)."""

# Layers of these classes differ in nothing but whether queries and keys are normed.
_KNOWN = {"LlamaDecoderLayer", "Qwen3VLTextDecoderLayer", "Qwen3DecoderLayer", "Qwen2DecoderLayer"}


@dataclass(frozen=True)
class Passed:
    """What a decoder layer leaves, (…, W): attention heads, MLP neurons and residual stream."""

    heads: torch.Tensor
    mlp: torch.Tensor
    residual: torch.Tensor


@dataclass(frozen=True)
class Pending:
    """What a layer that ran only where it is read has computed for all positions.

    Parameters
    ----------
    normed
        Its normed input, shape (B, T, D).
    keys
        Rotated keys, shape (B, heads, T, width).
    """

    normed: torch.Tensor
    keys: torch.Tensor


@dataclass(eq=False)
class DecoderLayer:
    """One layer of a Llama- or Qwen-type decoder, over the weights of a ``transformers`` layer.

    Positions after a row's last token need no mask: no token sees those after it.
    """

    attention_norm: RMSNorm
    qkv: Beside
    q_norm: RMSNorm | None
    k_norm: RMSNorm | None
    out: Dense
    mlp_norm: RMSNorm
    gate_up: Beside
    down: Dense
    act: Callable[[torch.Tensor], torch.Tensor]
    width: int

    @classmethod
    def of(cls, layer: nn.Module) -> Self:
        """Share a layer's weights.

        Raises
        ------
        UnknownPartError
            When it is no layer of a known kind.
        """
        if type(layer).__name__ not in _KNOWN:
            raise UnknownPartError(f"decoder layers of type {type(layer).__name__}")
        found = cast(Any, layer)
        attention, mlp = found.self_attn, found.mlp
        norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
        q_norm, k_norm = (None if norm is None else RMSNorm.of(norm) for norm in norms)
        return cls(
            attention_norm=RMSNorm.of(found.input_layernorm),
            qkv=Beside.of(attention.q_proj, attention.k_proj, attention.v_proj),
            q_norm=q_norm,
            k_norm=k_norm,
            out=Dense.of(attention.o_proj),
            mlp_norm=RMSNorm.of(found.post_attention_layernorm),
            gate_up=Beside.of(mlp.gate_proj, mlp.up_proj),
            down=Dense.of(mlp.down_proj),
            act=mlp.act_fn,
            width=int(attention.head_dim),
        )

    def whole(self, x: torch.Tensor, rope: Rope) -> Passed:
        """Compute all positions of ``x`` (B, T, D)."""
        q, k, v = (self._heads(part) for part in self.qkv(self.attention_norm(x)))
        return self._rest(
            x, self._turned(q, self.q_norm, rope), self._turned(k, self.k_norm, rope), v
        )

    def completed(self, x: torch.Tensor, pending: Pending, rope: Rope) -> Passed:
        """Compute all positions after :meth:`read_last`, from the keys that are there already."""
        queries, _, values = self.qkv.parts
        q = self._turned(self._heads(queries(pending.normed)), self.q_norm, rope)
        return self._rest(x, q, pending.keys, self._heads(values(pending.normed)))

    def read_last(self, x: torch.Tensor, rope: Rope, last: torch.Tensor) -> tuple[Passed, Pending]:
        """Compute the last token of each row only, of ``x`` (B, T, D).

        Parameters
        ----------
        last
            Index of each row's last token, shape (B,).

        Returns
        -------
        tuple
            (B, W) of each part, and what :meth:`completed` goes on from.
        """
        heads, pending = self._attended(x, rope, last)
        return self._after(_at(x, last), heads), pending

    def neurons(
        self, x: torch.Tensor, rope: Rope, last: torch.Tensor, kind: str, columns: torch.Tensor
    ) -> torch.Tensor:
        """Compute nothing but some neurons at the last token of each row, shape (B, K).

        Parameters
        ----------
        kind
            Of which part: ``heads``, ``mlp`` or ``residual``.
        columns
            Which of them, shape (K,).
        """
        heads, _ = self._attended(x, rope, last)
        if kind == "heads":
            return heads[:, columns]
        attended = _at(x, last) + self.out(heads)
        normed = self.mlp_norm(attended)
        if kind == "mlp":
            gate, up = (part.some(normed, columns) for part in self.gate_up.parts)
            return self.act(gate) * up
        gate, up = self.gate_up(normed)
        return attended[:, columns] + self.down.some(self.act(gate) * up, columns)

    def branching(
        self,
        x: torch.Tensor,
        rope: Rope,
        stem: int,
        seen: torch.Tensor,
        rows: torch.Tensor | None = None,
    ) -> Passed:
        """Compute the beginning, and positions of the several texts that follow it.

        Parameters
        ----------
        x
            The beginning and then each text, shape (B, T, D).
        stem
            Positions of the beginning.
        seen
            Which positions each of those after the beginning sees, shape (R, T).
        rows
            Positions after the beginning that are computed, shape (R,); all by default.
        """
        q, k, v = (self._heads(part) for part in self.qkv(self.attention_norm(x)))
        q, k = self._turned(q, self.q_norm, rope), self._turned(k, self.k_norm, rope)
        shared = q.shape[1] != k.shape[1]
        first = F.scaled_dot_product_attention(
            q[:, :, :stem], k[:, :, :stem], v[:, :, :stem], is_causal=True, enable_gqa=shared
        )
        asking = q[:, :, stem:] if rows is None else q[:, :, rows]
        later = F.scaled_dot_product_attention(asking, k, v, attn_mask=seen, enable_gqa=shared)
        if rows is not None:
            x = torch.cat([x[:, :stem], x[:, rows]], dim=1)
        return self._after(x, torch.cat([first, later], dim=2).transpose(1, 2).flatten(2))

    def tips(self, x: torch.Tensor, rope: Rope, rows: torch.Tensor, seen: torch.Tensor) -> Passed:
        """Compute some positions only, (B, R, W), which see what ``seen`` (R, T) says."""
        queries, keys, values = self.qkv.parts
        normed = self.attention_norm(x)
        q = self._turned(
            self._heads(queries(normed[:, rows])), self.q_norm, (rope[0][:, rows], rope[1][:, rows])
        )
        k = self._turned(self._heads(keys(normed)), self.k_norm, rope)
        found = F.scaled_dot_product_attention(
            q, k, self._heads(values(normed)), attn_mask=seen, enable_gqa=q.shape[1] != k.shape[1]
        )
        return self._after(x[:, rows], found.transpose(1, 2).flatten(2))

    def _attended(
        self, x: torch.Tensor, rope: Rope, last: torch.Tensor
    ) -> tuple[torch.Tensor, Pending]:
        """Attention of each row's last token, shape (B, heads · width).

        Keys are needed for all positions. Values are not: the average of the values, weighted by
        attention, is the value of the inputs' average, which is one product per head and row.
        """
        normed = self.attention_norm(x)
        cos, sin = (_at(part.expand(len(x), -1, -1), last)[:, None, None] for part in rope)
        q = torch.unflatten(self.qkv.parts[0](_at(normed, last)), -1, (-1, self.width))
        keys = self._turned(self._heads(self.qkv.parts[1](normed)), self.k_norm, rope)
        groups = keys.shape[1]
        q = rotate(torch.unflatten(self._normed(q, self.q_norm), 1, (groups, -1)), cos, sin)
        scores = (q @ keys.transpose(-1, -2)).float() * self.width**-0.5
        later = torch.arange(x.shape[1], device=x.device) > last[:, None]
        shares = scores.masked_fill(later[:, None, None], -torch.inf).softmax(-1).to(x.dtype)
        means = torch.unflatten(shares.flatten(1, 2) @ normed, 1, (groups, -1))
        value = self.qkv.parts[2]
        weight = torch.unflatten(value.weight, 0, (groups, -1))
        heads = torch.einsum("bhgd,hwd->bhgw", means, weight)
        if value.bias is not None:
            heads = heads + torch.unflatten(value.bias, 0, (groups, -1))[:, None]
        return heads.flatten(1), Pending(normed, keys)

    def _rest(self, x: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Passed:
        found = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1]
        )
        return self._after(x, found.transpose(1, 2).flatten(2))

    def _after(self, x: torch.Tensor, heads: torch.Tensor) -> Passed:
        x = x + self.out(heads)
        gate, up = self.gate_up(self.mlp_norm(x))
        mlp = self.act(gate) * up
        return Passed(heads, mlp, x + self.down(mlp))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return torch.unflatten(x, -1, (-1, self.width)).transpose(1, 2)

    def _turned(self, x: torch.Tensor, norm: RMSNorm | None, rope: Rope) -> torch.Tensor:
        return rotate(self._normed(x, norm), rope[0][:, None], rope[1][:, None])

    def _normed(self, x: torch.Tensor, norm: RMSNorm | None) -> torch.Tensor:
        return x if norm is None else norm(x)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate queries or keys by their positions' angles; the last dimension is one head."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def _at(x: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """One position of each row, (B, T, W) to (B, W)."""
    return x[torch.arange(len(x), device=x.device), last]
