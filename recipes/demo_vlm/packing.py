"""Prompts packed into rows: several questions about one picture share its tokens.

A row is a line of segments. A segment's tokens see their own segment, up to themselves, and the
segment they hang on (the picture), and count their positions from its end: exactly what they would
see and be in a prompt of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from superneurons.demo.model import CHAT_TEMPLATE, IMAGE_TOKEN

__all__ = ["IGNORED", "Packed", "Prompts", "Row", "attention_mask", "stack"]

IGNORED = -100
_PATCHES = 64
_NOTHING = -1


@dataclass(frozen=True)
class Segment:
    """Tokens of one segment, and the answer's place in it: ``ids[answer:]`` are learned."""

    ids: list[int]
    answer: int


class Prompts:
    """Turns questions and answers into token ids, in the demo model's chat form.

    Parameters
    ----------
    tokenizer
        The language model's.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._known: dict[tuple[str, str, bool], Segment] = {}
        self.image_id: int = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        probe = self._ids(f"{IMAGE_TOKEN}\n", "")
        self.prefix = Segment(self._widen(probe[: probe.index(self.image_id) + 2]), _NOTHING)

    def ask(self, question: str, answer: str, *, picture_first: bool = True) -> Segment:
        """Return the part of a prompt after the shared picture, or all of it, with its answer."""
        key = (question, answer, picture_first)
        if key not in self._known:
            self._known[key] = self._build(question, answer, picture_first)
        return self._known[key]

    def first(self, word: str) -> int:
        """Return the first token of an answer."""
        return self.ask("?", word).ids[self.ask("?", word).answer]

    def _build(self, question: str, answer: str, picture_first: bool) -> Segment:
        parts = [IMAGE_TOKEN, question]
        ids = self._ids("\n".join(parts if picture_first else parts[::-1]), "")
        whole = self._ids("\n".join(parts if picture_first else parts[::-1]), f"{answer}<|im_end|>")
        prompt, whole = self._widen(ids), self._widen(whole)
        if whole[: len(prompt)] != prompt:
            raise ValueError(f"{answer!r} melts into the prompt's last token")
        if not picture_first:
            return Segment(whole, len(prompt))
        shared = len(self.prefix.ids)
        if prompt[:shared] != self.prefix.ids:
            raise ValueError(f"{question!r} melts into the picture's last token")
        return Segment(whole[shared:], len(prompt) - shared)

    def _ids(self, content: str, answer: str) -> list[int]:
        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=CHAT_TEMPLATE,
            add_generation_prompt=True,
            tokenize=False,
        )
        return list(self._tokenizer(text + answer, add_special_tokens=False)["input_ids"])

    def _widen(self, ids: list[int]) -> list[int]:
        at = ids.index(self.image_id)
        return ids[:at] + [self.image_id] * _PATCHES + ids[at + 1 :]


@dataclass
class Row:
    """One row under construction, at most ``length`` tokens long."""

    length: int
    ids: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    picture: list[int] = field(default_factory=list)
    _segments: int = 0

    def add(
        self, piece: Segment, *, picture: int = _NOTHING, parent: int | None = None, start: int = 0
    ) -> int | None:
        """Append a segment and return its number, or ``None`` when it doesn't fit.

        Parameters
        ----------
        piece
            Its tokens.
        picture
            The picture its image tokens, if any, stand for.
        parent
            The segment it hangs on.
        start
            Its first position: the parent's length.
        """
        n = len(piece.ids)
        if len(self.ids) + n > self.length:
            return None
        number = self._segments
        self._segments += 1
        self.ids += piece.ids
        self.position += range(start, start + n)
        self.segment += [number] * n
        self.parent += [_NOTHING if parent is None else parent] * n
        self.picture += [picture] * n
        learned = [IGNORED] * n
        if piece.answer != _NOTHING:
            learned[piece.answer - 1 : n - 1] = piece.ids[piece.answer :]
        self.target += learned
        return number


@dataclass(frozen=True)
class Packed:
    """Rows as tensors.

    Parameters
    ----------
    ids, position, segment, parent, target
        ``(R, T)`` int64. ``target`` is the next token where it is learned, -100 elsewhere.
    patch
        ``(R, T)`` int64: for an image token, 64 · picture + patch; -1 elsewhere.
    """

    ids: torch.Tensor
    position: torch.Tensor
    segment: torch.Tensor
    parent: torch.Tensor
    target: torch.Tensor
    patch: torch.Tensor

    def to(self, device: torch.device | str) -> Packed:
        """Return the same rows on another device."""
        return Packed(**{name: t.to(device, non_blocking=True) for name, t in vars(self).items()})


def stack(rows: Sequence[Row], image_id: int) -> Packed:
    """Pad rows to their common length and stack them."""
    length = max(row.length for row in rows)

    def column(name: str, fill: int) -> NDArray[np.int64]:
        table = np.full((len(rows), length), fill, dtype=np.int64)
        for line, row in zip(table, rows, strict=True):
            values = getattr(row, name)
            line[: len(values)] = values
        return table

    ids, picture = column("ids", 0), column("picture", _NOTHING)
    image = ids == image_id
    # Each picture's tokens stand in one unbroken run, so a running count tells the patch.
    within = np.cumsum(image, axis=1) - 1
    patch = np.where(image, picture * _PATCHES + within % _PATCHES, _NOTHING)
    columns = {
        "ids": ids,
        "position": column("position", 0),
        "segment": column("segment", _NOTHING),
        "parent": column("parent", _NOTHING),
        "target": column("target", IGNORED),
        "patch": patch,
    }
    return Packed(**{name: torch.from_numpy(values) for name, values in columns.items()})


def attention_mask(packed: Packed) -> torch.Tensor:
    """Return who sees whom, ``(R, 1, T, T)`` bool: own segment or its parent, never the future."""
    own = packed.segment[:, :, None] == packed.segment[:, None, :]
    shared = packed.parent[:, :, None] == packed.segment[:, None, :]
    length = packed.ids.shape[1]
    past = torch.ones(length, length, dtype=torch.bool, device=own.device).tril()
    # Padding has no segment (-1), and so has the parent of a segment without one.
    shared &= packed.parent[:, :, None] >= 0
    return ((own | shared) & past)[:, None]
