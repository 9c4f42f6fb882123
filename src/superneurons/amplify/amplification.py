"""Multiply some MLP neurons while a model runs; its weights are never touched.

Hooks are on the model only within the block, and are gone however it is left. Blocks nest: on
other layers, or on the same one, where multipliers then multiply. They act on the model's own
forward pass, and so on ``generate``; a lean early exit computes by itself and isn't amplified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superneurons.amplify.language import LanguageModel, language_model
from superneurons.errors import DataError, MismatchError, ModelError, Problem
from superneurons.vlm.model import VLM

__all__ = ["Amplification", "Where", "amplified"]

Where: TypeAlias = Literal["last", "all"]
"""``last``: the last position of each pass, which in ``generate`` is the prompt's last token, then
each new one. ``all``: every position of each pass."""


@dataclass(frozen=True)
class Amplification:
    """Which neurons of one layer are multiplied, by how much and where.

    Parameters
    ----------
    layer
        Number of the layer, from 1.
    columns
        Which of its MLP neurons (inputs of the down projection), from 0; kept as a tuple.
    multiplier
        1 leaves everything as it is, 0 switches the neurons off.
    position
        At which tokens (:data:`Where`).
    model
        Fingerprint of the model that the neurons are of; checked if given.

    Raises
    ------
    DataError
        Lists every parameter that makes no sense.

    Examples
    --------
    >>> Amplification(3, [5, 1], 2.0).columns
    (5, 1)
    """

    layer: int
    columns: Sequence[int] | NDArray[Any]
    multiplier: float
    position: Where = "last"
    model: str | None = None

    def __post_init__(self) -> None:
        columns = np.asarray(self.columns)
        checks = (
            ("layer", self.layer >= 1, f"{self.layer}; layers count from 1"),
            ("columns", _are_columns(columns), "not different whole numbers from 0, one at least"),
            ("multiplier", isfinite(self.multiplier), f"{self.multiplier}, no finite number"),
            ("position", self.position in get_args(Where), f"{self.position!r}; last or all"),
        )
        problems = [Problem(place, what) for place, right, what in checks if not right]
        if problems:
            raise DataError(
                "Neurons cannot be amplified like this.",
                problems=problems,
                where=f"layer {self.layer}",
                mend="Give a layer, its neurons and a finite multiplier.",
            )
        object.__setattr__(self, "columns", tuple(columns.tolist()))

    def check(self, model: LanguageModel) -> None:
        """Make sure that a model has these neurons.

        Raises
        ------
        MismatchError
            When they were found in another model.
        DataError
            When it has no such layer, or that layer isn't as wide.
        ModelError
            When the layer has no MLP neurons of its own.
        """
        if self.model is not None and self.model != model.fingerprint:
            raise MismatchError(
                "These neurons are of another model.",
                where=f"model: {model.name}",
                problems=[
                    Problem("found in", self.model[:12]), Problem("given", model.fingerprint[:12])
                ],
                mend="Use the model (and dtype) that they were found in, or find them anew in "
                "this one.",
            )  # fmt: skip
        model.mlp(self.layer)
        width = model.width
        beyond = [column for column in self.columns if column >= width]
        if beyond:
            raise DataError(
                f"{model.name!r} has {width} MLP neurons in a layer.",
                problems=[Problem(f"neuron {column}", "is beyond them") for column in beyond],
                where=f"layer {self.layer}",
                mend="Neurons count from 0, and belong to the model that they were found in.",
            )


def _are_columns(columns: NDArray[Any]) -> bool:
    whole = columns.ndim == 1 and len(columns) > 0 and np.issubdtype(columns.dtype, np.integer)
    return bool(whole and columns.min() >= 0 and len(np.unique(columns)) == len(columns))


@contextmanager
def amplified(
    model: LanguageModel | VLM, amplification: Amplification, rows: torch.Tensor | None = None
) -> Iterator[None]:
    """Amplify neurons of every forward pass of a model within the block.

    Parameters
    ----------
    model
        The one that runs within the block, not a truncated twin of it. No other thread should run
        it meanwhile.
    amplification
        What is multiplied.
    rows
        Which rows of a batch it is for, shape (B,) bool; all by default. The others come out as
        they were, bit for bit. With none, nothing is hooked at all.

    Raises
    ------
    MismatchError, DataError, ModelError
        As :meth:`Amplification.check` does, before anything is hooked; ``DataError`` also within,
        for a batch of other than B rows. ``ModelError`` at the end of the block, when finite
        activations have become infinite or NaN; it names the layer.

    Examples
    --------
    >>> with amplified(model, Amplification(9, [3, 14], 2.0)):  # doctest: +SKIP
    ...     model.last_logits(["2 + 2 ="])
    """
    language = language_model(model) if isinstance(model, VLM) else model
    amplification.check(language)
    if rows is not None and not bool(rows.any()):
        yield
        return
    block = _Block(amplification, rows, language.device)
    trunk = language.model.get_submodule(language.trunk)
    mlp, norm = language.mlp(amplification.layer), language.norm
    with ExitStack() as hooks:
        for handle in (
            trunk.register_forward_pre_hook(block.begin, with_kwargs=True),
            trunk.register_forward_hook(block.end, always_call=True),
            mlp.register_forward_pre_hook(block.multiply),
            norm.register_forward_pre_hook(block.watch),
        ):
            hooks.callback(handle.remove)
        yield
    block.refuse_broken()


class _Block:
    """The hooks of one block, and what they know of the pass that is running."""

    def __init__(
        self, amplification: Amplification, rows: torch.Tensor | None, device: torch.device
    ) -> None:
        self._given = amplification
        self._columns = torch.tensor(amplification.columns, device=device)
        self._rows = None if rows is None else rows.to(device, torch.bool)
        self._running = False
        self._mask: torch.Tensor | None = None
        self._here: tuple[torch.Tensor, torch.Tensor] | None = None
        self._finite: torch.Tensor | None = None
        self._broken: torch.Tensor | None = None

    def begin(self, _trunk: nn.Module, _args: Any, options: dict[str, Any]) -> None:
        mask = options.get("attention_mask")
        self._mask = mask if isinstance(mask, torch.Tensor) and mask.ndim == 2 else None
        self._running, self._here, self._finite = True, None, None

    def end(self, *_: Any) -> None:
        self._running = False

    def multiply(self, _mlp: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        given: torch.Tensor = args[0]
        self._check(given)
        row, last = self._here = self._last(given)
        more = given.clone()
        columns = self._columns.to(given.device)
        if self._given.position == "last":
            place = (row[:, None], last[:, None], columns)
            more[place] = self._times(given[place])
        else:
            more[..., columns] = self._times(given[..., columns])
        if self._given.multiplier != 1:
            self._finite = given[row, last].isfinite().all()
        return (more, *args[1:])

    def watch(self, _norm: nn.Module, args: tuple[torch.Tensor]) -> None:
        if self._running and self._finite is not None and self._here is not None:
            # A norm takes a finite state whose square is infinite to zeros.
            there = args[0].device
            row, last = (place.to(there) for place in self._here)
            size = args[0][row, last].float().square().sum(dim=-1)
            broken = self._finite.to(there) & ~size.isfinite().all()
            self._broken = broken if self._broken is None else self._broken | broken

    def refuse_broken(self) -> None:
        if self._broken is not None and bool(self._broken):  # the one wait for the device
            layer, times = self._given.layer, self._given.multiplier
            raise ModelError(
                f"Amplified by {times:g}, layer {layer} makes activations that are no finite "
                "numbers: the results of this block are worthless.",
                where=f"layer {layer}",
                mend="Use a smaller multiplier or fewer neurons, or run the model in bfloat16 or "
                "float32.",
            )

    def _times(self, chosen: torch.Tensor) -> torch.Tensor:
        more = chosen * self._given.multiplier
        if self._rows is None:
            return more
        shape = (-1,) + (1,) * (chosen.ndim - 1)
        return torch.where(self._rows.view(shape).to(more.device), more, chosen)

    def _last(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Row numbers, and the last position of each, among those of this pass."""
        batch, length = given.shape[:2]
        row = torch.arange(batch, device=given.device)
        if self._mask is None:
            return row, torch.full_like(row, length - 1)
        numbered = torch.arange(1, length + 1, device=given.device)
        return row, (self._mask[:, -length:].to(given.device) * numbered).argmax(dim=1)

    def _check(self, given: torch.Tensor) -> None:
        if not self._running:
            raise ModelError(
                "An amplified layer runs within another model than the one that was amplified.",
                where=f"layer {self._given.layer}",
                mend="Amplify the very model that runs: the truncated one, say.",
            )
        if given.ndim != 3:
            raise ModelError(
                f"MLP neurons come as {tuple(given.shape)}, not as (rows, positions, width).",
                where=f"layer {self._given.layer}",
                mend="Models that mix the rows of a batch cannot be amplified.",
            )
        if self._rows is not None and len(self._rows) != len(given):
            raise DataError(
                f"There are {len(self._rows)} rows to choose from, but the batch has {len(given)}.",
                where="rows",
                mend="Give one truth value for each row of every batch within the block.",
            )
