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
class _Step:
    """What one layer does: read the branches that end here, drop them, pass with the others.

    Places are numbers of positions; masks say which positions each of them sees.
    """

    ends: tuple[int, ...]
    end_tips: torch.Tensor
    end_seen: torch.Tensor
    kept: torch.Tensor
    goes_on: tuple[int, ...]
    tips: tuple[int, ...]
    seen: torch.Tensor


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
        self._wanted = [_by_layer(branch, device) for branch in branches]
        self.deepest = max(branch.deepest for branch in branches)
        if self.deepest > len(lean.layers):
            raise ModelError(
                f"The model has {len(lean.layers)} layers here; a question is read at layer "
                f"{self.deepest}.",
                where=f"layer {self.deepest}",
                mend="Open the model as deep as it is read.",
            )
        self._steps: list[_Step] = []
        standing = tuple(range(len(branches)))
        for layer in range(1, self.deepest + 1):
            ends = tuple(n for n in standing if branches[n].deepest == layer)
            goes_on = tuple(n for n in standing if n not in ends)
            self._steps.append(self._step(standing, ends, goes_on, device))
            standing = goes_on

    def _step(
        self,
        standing: tuple[int, ...],
        ends: tuple[int, ...],
        goes_on: tuple[int, ...],
        device: torch.device,
    ) -> _Step:
        places, seen = self._layout(standing)
        left, left_seen = self._layout(goes_on)
        end_tips = torch.tensor([places[n].stop - 1 for n in ends], dtype=torch.long)
        kept = [torch.arange(self._stem), *(_positions(places[n]) for n in goes_on)]
        return _Step(
            ends,
            end_tips.to(device),
            seen[end_tips - self._stem].to(device),
            torch.cat(kept).to(device),
            goes_on,
            tuple(left[n].stop - 1 for n in goes_on),
            left_seen.to(device),
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
        found = [
            torch.empty(len(hidden), len(branch.columns), device=hidden.device)
            for branch in self._branches
        ]
        layers = self._lean.layers[: self.deepest]
        for number, (layer, step) in enumerate(zip(layers, self._steps, strict=True)):
            if step.ends:
                passed = layer.tips(hidden, rope, step.end_tips, step.end_seen)
                for row, branch in enumerate(step.ends):
                    self._read(found[branch], branch, number + 1, passed, row)
            if step.goes_on:
                if step.ends:
                    hidden = hidden[:, step.kept]
                    rope = rope[0][:, step.kept], rope[1][:, step.kept]
                passed = layer.branching(hidden, rope, self._stem, step.seen)
                for branch, tip in zip(step.goes_on, step.tips, strict=True):
                    self._read(found[branch], branch, number + 1, passed, tip)
                hidden = passed.residual
                if number < len(additions):
                    stem = hidden[:, : self._stem] + additions[number]
                    hidden = torch.cat([stem, hidden[:, self._stem :]], dim=1)
        return torch.cat(found, dim=1)

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

    def _read(
        self,
        found: torch.Tensor,
        number: int,
        layer: int,
        passed: Passed,
        row: int,
    ) -> None:
        if layer in self._wanted[number]:
            chosen, columns = self._wanted[number][layer]
            values: torch.Tensor = getattr(passed, self._branches[number].kind)
            found[:, chosen] = values[:, row][:, columns].float()


def _positions(place: slice) -> torch.Tensor:
    return torch.arange(place.start, place.stop)


def _by_layer(branch: Branch, device: torch.device) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """For each layer read, which of the neurons those are, and their columns."""
    found = {}
    for layer in sorted(set(branch.layers.tolist())):
        chosen = (branch.layers == layer).nonzero().flatten()
        found[layer] = chosen.to(device), branch.columns[chosen].to(device)
    return found
