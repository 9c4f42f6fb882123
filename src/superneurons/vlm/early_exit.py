"""Run a model no further than some neurons need, as fast as the device allows."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from superneurons.errors import ModelError, ResourceError
from superneurons.vlm.acceleration import (
    ACCELERATIONS,
    Acceleration,
    check_acceleration,
    way_to_run,
)
from superneurons.vlm.fused import fused
from superneurons.vlm.graphs import AccelerationWarning, Graphs
from superneurons.vlm.lean.opening import lean_of, why_not_lean
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.lean.tower import Grid
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.patches import leading_tokens, patch_average
from superneurons.vlm.positions import PromptPosition
from superneurons.vlm.quantised import eight_bit
from superneurons.vlm.taps import PICTURE_KINDS, Kind

__all__ = ["ACCELERATIONS", "Acceleration", "EarlyExit"]

# Rounding differs between the ways to compute the same; 8 bits round more.
_EIGHT_BIT_TOLERANCE = 0.5
_COMPARED = 100_000


class EarlyExit:
    """A model's forward pass up to the deepest of some neurons, and their activations.

    The first batch is also run by the plain model; where the results differ by more than rounding,
    the plain model is used from then on, with a warning.

    Parameters
    ----------
    vlm
        The model, whole or cut off at the deepest layer read or after it.
    layers, columns
        Scalar i is column ``columns[i]`` of layer ``layers[i]``; layers count from 1.
    kind
        What is read.
    position
        At which position; only the prompt's.
    acceleration
        How it runs.

    Attributes
    ----------
    path : {"off", "lean", "graphs", "compiled", "fp8"}
        How it runs; may change with the first batch, where the way chosen turns out not to work.
    reason : str
        Why not faster.

    Raises
    ------
    ModelError
        No neurons, a layer that the model doesn't have, or an unknown ``acceleration``.

    Examples
    --------
    >>> from superneurons.vlm.opening import open_vlm  # doctest: +SKIP
    >>> vlm = open_vlm("demo")  # doctest: +SKIP
    >>> leave = EarlyExit(vlm, layers=[1, 2], columns=[0, 7])  # doctest: +SKIP
    >>> leave(vlm.encode(make_task("dark", n=4))).shape  # doctest: +SKIP
    torch.Size([4, 2])
    """

    def __init__(
        self,
        vlm: VLM,
        layers: Sequence[int],
        columns: Sequence[int],
        *,
        kind: Kind = "residual",
        position: PromptPosition = "last_prompt",
        acceleration: Acceleration = "auto",
    ) -> None:
        _check(vlm, layers, columns, kind, acceleration)
        self.vlm, self.kind, self.position = vlm, kind, position
        self.layers = torch.tensor(list(layers), device=vlm.device) - 1
        self.columns = torch.tensor(list(columns), device=vlm.device)
        self.deepest = max(layers)
        if kind in PICTURE_KINDS:
            self._cut = vlm.seeing(self.deepest if kind == "vision" else None)
        else:
            self._cut = vlm.truncated(self.deepest) if self.deepest < vlm.depth else vlm
        self._lean = None if acceleration == "off" else lean_of(vlm)
        self._by_layer = {
            layer: (self.layers == layer - 1).nonzero().flatten() for layer in sorted(set(layers))
        }
        self.path, self.reason = way_to_run(acceleration, vlm.device, why_not_lean(vlm))
        self._checked = self.path == "off"
        self._beginning = threading.Lock()
        self._graphs: Graphs | None = None
        if self.path not in ("off", "lean"):
            self._graphs = Graphs(self._accelerated(), vlm.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> EarlyExit:
        """Return itself: it belongs to the model, which isn't copied either."""
        return self

    def __repr__(self) -> str:
        return (
            f"EarlyExit({len(self.columns)} {self.kind} neurons, layer {self.deepest}, {self.path})"
        )

    @torch.inference_mode()
    def __call__(self, inputs: Inputs) -> torch.Tensor:
        """Return the neurons' activations of a batch, shape (B, K), float32, on the device.

        Raises
        ------
        ResourceError
            When the batch doesn't fit into memory.
        """
        try:
            if not self._checked:
                with self._beginning:
                    if not self._checked:
                        return self._first(inputs)
            return self._run(inputs)
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"A batch of {len(inputs)} records doesn't fit into the memory of "
                f"{self.vlm.device_name}: {_needed(self.vlm)}.",
                where=f"layers 1 … {self.deepest}",
                mend="Use a smaller batch, a smaller dtype, or open the model only as deep as "
                "it is read (depth=).",
            ) from error

    def _run(self, inputs: Inputs) -> torch.Tensor:
        if self._lean is None or self.path == "off":
            return self._plain(inputs)
        grids = self._lean.tower.grids(inputs.tensors)
        graphs = self._graphs  # another thread may give them up meanwhile
        if graphs is not None and len(set(grids)) == 1:
            found = graphs(inputs.tensors, inputs.pictures, grids)
            if found is not None:
                return found
            self.path, self.reason, self._graphs = "lean", graphs.reason, None
        return self._neurons(self._lean, inputs.tensors, inputs.pictures, grids)

    def _plain(self, inputs: Inputs) -> torch.Tensor:
        return self._states(inputs)[:, self.layers, self.columns].float()

    def _states(self, inputs: Inputs) -> torch.Tensor:
        """All that the plain model leaves up to the deepest neuron, shape (B, L, W)."""
        return self._cut.last_states(inputs, [self.kind], [self.position]).at(
            self.kind, self.position
        )

    def _neurons(
        self,
        lean: Lean,
        tensors: Mapping[str, torch.Tensor],
        pictures: tuple[int, ...],
        grids: tuple[Grid, ...],
    ) -> torch.Tensor:
        """Activations (B, K): a function of tensors alone, which a graph can record."""
        if self.kind in PICTURE_KINDS:
            return self._of_pictures(lean, tensors, pictures, grids)
        reached = lean.start(
            tensors, [self.kind], [self.position], grids=grids, deepest=self.deepest
        )
        whole = self.deepest - (self.position == "last_prompt")
        reached = lean.advance(reached, whole)
        found = torch.empty(
            len(reached.last), len(self.columns), dtype=torch.float32, device=self.columns.device
        )
        for layer, chosen in self._by_layer.items():
            columns = self.columns[chosen]
            if layer <= whole:
                values = reached.states[self.kind, self.position][layer - 1][:, columns]
            else:
                values = lean.layers[layer - 1].neurons(
                    reached.hidden, reached.rope, reached.last, self.kind, columns
                )
            found[:, chosen] = values.float()
        return found

    def _of_pictures(
        self,
        lean: Lean,
        tensors: Mapping[str, torch.Tensor],
        pictures: tuple[int, ...],
        grids: tuple[Grid, ...],
    ) -> torch.Tensor:
        packed = self.vlm.family.picture_patches is not None
        patches = [height * width for height, width in grids] if packed else None
        if self.kind == "projector":
            tokens = lean.tower.see(tensors, grids, deep=0).tokens
            assert tokens is not None
            rows = tokens if packed else tokens.view(len(grids), -1, tokens.shape[-1])
            return patch_average(rows, pictures, patches)[:, self.columns]
        wanted = list(self._by_layer)
        leading = leading_tokens(self.vlm.model)
        seen = lean.tower.see(tensors, grids, layers=wanted, project=False).layers
        found = torch.empty(len(pictures), len(self.columns), device=self.columns.device)
        for layer, chosen in self._by_layer.items():
            average = patch_average(seen[layer], pictures, patches, leading)
            found[:, chosen] = average[:, self.columns[chosen]]
        return found

    def _accelerated(self) -> Callable[..., torch.Tensor]:
        assert self._lean is not None
        lean = eight_bit(self._lean) if self.path == "fp8" else self._lean
        if self.path != "graphs":
            lean = fused(lean)

        def run(
            tensors: Mapping[str, torch.Tensor], pictures: tuple[int, ...], grids: tuple[Grid, ...]
        ) -> torch.Tensor:
            return self._neurons(lean, tensors, pictures, grids)

        return run

    def _first(self, inputs: Inputs) -> torch.Tensor:
        """Run the first batch, and check it against the plain model."""
        try:
            found = self._run(inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # such as an operation that the device doesn't have
            self._give_up(f"the {self.path} pass fails here: {error}".splitlines()[0])
            return self._plain(inputs)
        return self._compared(inputs, found)

    def _compared(self, inputs: Inputs, found: torch.Tensor) -> torch.Tensor:
        states = self._states(inputs)[:, : self.deepest].float()
        expected = states[:, self.layers, self.columns]
        same = (found == expected) | (found.isnan() & expected.isnan())
        gap = (found - expected).abs() / (expected.abs() + states.std())
        limit = _EIGHT_BIT_TOLERANCE if self.path == "fp8" else _tolerance(self.vlm.dtype)
        # One value in a hundred may be off by more: sums that nearly cancel round differently.
        share = float(torch.quantile(gap.masked_fill(same, 0).flatten()[:_COMPARED], 0.99))
        if share <= limit:
            self._checked = True
            return found
        self._give_up(
            f"the {self.path} pass differs from the plain model's by {share:.1e} for 99 % of "
            f"values, where {limit:.0e} was expected"
        )
        return expected

    def _give_up(self, reason: str) -> None:
        """Use the plain model from now on, and say so once."""
        self.path, self.reason, self._graphs = "off", reason, None
        self._checked = True
        warnings.warn(
            f"{self.vlm.name}: {reason}. The plain model is used instead, which is slower.",
            AccelerationWarning,
            stacklevel=5,
        )


def _tolerance(dtype: torch.dtype) -> float:
    """How far values may be apart; some sums are in float32 whatever the model is in."""
    return 3 * max(torch.finfo(kind).eps for kind in (dtype, torch.float32)) ** 0.5


def _check(
    vlm: VLM, layers: Sequence[int], columns: Sequence[int], kind: Kind, acceleration: str
) -> None:
    known, width = vlm.shape(kind)
    check_acceleration(acceleration)
    if not layers or len(layers) != len(columns):
        raise ModelError(
            f"{len(layers)} layers and {len(columns)} columns don't name neurons.",
            where="layers, columns",
            mend="Give one layer and one column for each neuron, at least one.",
        )
    if (
        not 1 <= min(layers) <= max(layers) <= known
        or not 0 <= min(columns) <= max(columns) < width
    ):
        raise ModelError(
            f"The site {kind} of this model has {known} layers of {width}; neurons up to layer "
            f"{max(layers)}, column {max(columns)} were asked for.",
            where=f"layer {max(layers)}",
            mend="Open the model as deep as it is read, or fit again on this model.",
        )


def _needed(vlm: VLM) -> str:
    weights = sum(p.numel() * p.element_size() for p in vlm.model.parameters()) / 1e9
    each = [torch.cuda.mem_get_info(d) if d.type == "cuda" else (0, 0) for d in vlm.devices]
    free, total = (" + ".join(f"{n / 1e9:.1f}" for n in of) for of in zip(*each, strict=True))
    return f"its weights take {weights:.1f} GB; {free} of {total} GB are free"
