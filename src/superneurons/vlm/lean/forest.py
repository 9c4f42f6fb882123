"""Several questions about the same pictures in one pass: what they share is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from superneurons.errors import ModelError
from superneurons.vlm.lean.decoder import Passed, Rope
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.lean.tokens import merged, three_axes
from superneurons.vlm.lean.tower import Grid
from superneurons.vlm.taps import Kind

__all__ = ["Branch", "Forest"]


@dataclass(frozen=True)
class Branch:
    """One question: what follows the common beginning, and the neurons read at its last token.

    Parameters
    ----------
    ids
        Token ids after the beginning, shape (S,), at least one.
    layers, columns
        Where the neurons are, shape (K,); layers count from 1.
    kind
        What is read, of the decoder.
    """

    ids: torch.Tensor
    layers: torch.Tensor
    columns: torch.Tensor
    kind: Kind = "residual"

    @property
    def deepest(self) -> int:
        """The deepest layer read."""
        return int(self.layers.max())


@dataclass(frozen=True)
class _Read:
    """Neurons of one kind in one layer, of all branches at once: a gather costs as much as one."""

    kind: Kind
    places: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor


@dataclass(frozen=True)
class _Step:
    """What one layer does: compute what goes on and the last tokens of what ends, and read both.

    Parameters
    ----------
    goes_on
        How many positions are left after it; 0 in the last layer, where the beginning isn't
        computed either.
    rows
        Positions after the beginning that are computed, those that go on first.
    seen
        Which positions each of those sees.
    some
        Whether ``rows`` leaves any out.
    kept
        Positions that go on, the beginning among them.
    reads
        Of what was computed.
    """

    goes_on: int
    rows: torch.Tensor
    seen: torch.Tensor
    some: bool
    kept: torch.Tensor
    reads: tuple[_Read, ...]


class Forest:
    """A pass over pictures and several questions, each of which sees the pictures and itself only.

    Every question gets what it would get alone. It leaves at its deepest layer, which is computed
    for its last token only; the others go on without it.

    Parameters
    ----------
    lean
        The pass.
    stem
        Tokens that the prompts begin with in common, all image tokens among them.
    branches
        At least one.
    device
        Where the model is.

    Raises
    ------
    ModelError
        When a branch is read deeper than the model goes.
    """

    def __init__(
        self, lean: Lean, stem: int, branches: Sequence[Branch], device: torch.device
    ) -> None:
        self._lean, self._stem, self._branches = lean, stem, tuple(branches)
        self._ids = torch.cat([branch.ids for branch in branches]).to(device)
        self._lengths = [len(branch.ids) for branch in branches]
        self._order = torch.cat([torch.arange(length) for length in self._lengths]).to(device)
        self.deepest = max(branch.deepest for branch in branches)
        if self.deepest > len(lean.layers):
            raise ModelError(
                f"The model has {len(lean.layers)} layers here; a question is read at layer "
                f"{self.deepest}.",
                where=f"layer {self.deepest}",
                mend="Open the model as deep as it is read.",
            )
        self._width = sum(len(branch.columns) for branch in branches)
        self._steps: list[_Step] = []
        standing = tuple(range(len(branches)))
        for layer in range(1, self.deepest + 1):
            goes_on = tuple(n for n in standing if branches[n].deepest > layer)
            self._steps.append(self._step(layer, standing, goes_on, device))
            standing = goes_on

    def _step(
        self,
        layer: int,
        standing: tuple[int, ...],
        goes_on: tuple[int, ...],
        device: torch.device,
    ) -> _Step:
        places, seen = self._layout(standing)
        ends = [n for n in standing if n not in goes_on]
        on = [position for n in goes_on for position in range(places[n].start, places[n].stop)]
        rows = torch.tensor([*on, *(places[n].stop - 1 for n in ends)])
        first = self._stem if goes_on else 0
        left, _ = self._layout(goes_on)
        tips = {n: left[n].stop - 1 for n in goes_on}
        tips |= {n: first + len(on) + row for row, n in enumerate(ends)}
        return _Step(
            first + len(on),
            rows.to(device),
            seen[rows - self._stem].to(device),
            bool(ends),
            torch.cat([torch.arange(first), rows[: len(on)]]).to(device),
            self._reads(layer, tips, device),
        )

    def _reads(
        self, layer: int, rows: Mapping[int, int], device: torch.device
    ) -> tuple[_Read, ...]:
        """What is read in a layer of the branches whose last tokens are at these rows."""
        found: dict[Kind, list[torch.Tensor]] = {}
        start = 0
        for number, branch in enumerate(self._branches):
            chosen = (branch.layers == layer).nonzero().flatten()
            if number in rows and len(chosen):
                row = torch.full_like(chosen, rows[number])
                each = torch.stack([chosen + start, row, branch.columns[chosen]])
                found.setdefault(branch.kind, []).append(each)
            start += len(branch.columns)
        return tuple(
            _Read(kind, *torch.cat(each, dim=1).to(device)) for kind, each in found.items()
        )

    def _layout(self, standing: tuple[int, ...]) -> tuple[dict[int, slice], torch.Tensor]:
        """Where each branch stands, and which positions each after the beginning sees."""
        places, start = {}, self._stem
        for number in standing:
            places[number] = slice(start, start + self._lengths[number])
            start = places[number].stop
        seen = torch.zeros(start - self._stem, start, dtype=torch.bool)
        seen[:, : self._stem] = True
        for place in places.values():
            size = place.stop - place.start
            rows = slice(place.start - self._stem, place.stop - self._stem)
            seen[rows, place] = torch.ones(size, size, dtype=torch.bool).tril()
        return places, seen

    def __call__(
        self, tensors: Mapping[str, torch.Tensor], grids: tuple[Grid, ...]
    ) -> torch.Tensor:
        """Read each branch's neurons, side by side, shape (B, sum of K), float32.

        Parameters
        ----------
        tensors
            What the model's ``forward`` takes; of the text the first ``stem`` tokens count, which
            have no padding.
        grids
            Patches of each picture.
        """
        hidden, rope, additions = self._planted(tensors, grids)
        found = torch.empty(len(hidden), self._width, device=hidden.device)
        layers = self._lean.layers[: self.deepest]
        for number, (layer, step) in enumerate(zip(layers, self._steps, strict=True)):
            if not step.goes_on:
                _take(found, layer.tips(hidden, rope, step.rows, step.seen), step.reads)
                continue
            rows = step.rows if step.some else None
            passed = layer.branching(hidden, rope, self._stem, step.seen, rows)
            _take(found, passed, step.reads)
            hidden = passed.residual[:, : step.goes_on]
            if step.some:
                rope = rope[0][:, step.kept], rope[1][:, step.kept]
            if number < len(additions):
                stem = hidden[:, : self._stem] + additions[number]
                hidden = torch.cat([stem, hidden[:, self._stem :]], dim=1)
        return found

    def _planted(
        self, tensors: Mapping[str, torch.Tensor], grids: tuple[Grid, ...]
    ) -> tuple[torch.Tensor, Rope, list[torch.Tensor]]:
        """Look at the pictures, and put the questions after them."""
        lean, stem = self._lean, self._stem
        seen = lean.tower.see(tensors, grids, deep=max(0, self.deepest - 1))
        ids = tensors["input_ids"][:, :stem]
        images = ids == lean.image_token
        assert seen.tokens is not None
        beginning = merged(F.embedding(ids, lean.vectors), images, seen.tokens)
        questions = F.embedding(self._ids, lean.vectors).expand(len(ids), -1, -1)
        hidden = torch.cat([beginning, questions], dim=1)
        after = F.pad(images, (0, max(self._lengths)))
        if lean.three_axes:
            places = three_axes(after, tuple(lean.tower.tokens(grid) for grid in grids))
        else:
            places = torch.arange(after.shape[1], device=hidden.device)[None]
        places = torch.cat([places[..., :stem], places[..., stem:][..., self._order]], dim=-1)
        nothing = torch.zeros_like(beginning) if seen.deep else beginning
        additions = [merged(nothing, images, deep) for deep in seen.deep]
        return hidden, lean.turn(hidden, places), additions


def _take(found: torch.Tensor, passed: Passed, reads: Sequence[_Read]) -> None:
    for read in reads:
        values: torch.Tensor = getattr(passed, read.kind)
        found[:, read.places] = values[:, read.rows, read.columns].float()
