"""Run a model no further than some neurons need, as fast as the device allows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import torch

from superneurons.errors import ModelError, ResourceError
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

Acceleration: TypeAlias = Literal["auto", "off", "lean", "graphs", "compiled", "fp8"]
"""How an early exit runs.

``off``: the ``transformers`` model, cut off, with hooks. ``lean``: only what the neurons need, as
plain operations. ``graphs``: the same, recorded as CUDA graphs for each shape of batch.
``compiled``: the same with kernels fused by ``torch.compile``, which takes up to some minutes for
the first batch. ``fp8``: the same with products in 8-bit floating point, which moves activations a
little; for GPUs that have them, in large batches. ``auto``: graphs on a CUDA device, else lean."""

ACCELERATIONS: tuple[Acceleration, ...] = get_args(Acceleration)

# Rounding differs between the ways to compute the same; 8 bits round more.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.25}
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
        How it runs, where that was possible.
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
        self.path, self.reason = self._way(acceleration)
        self._checked = self.path == "off"
        self._graphs: Graphs | None = None
        if self.path in ("graphs", "compiled", "fp8"):
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
            found = self._run(inputs)
            if not self._checked:
                found = self._compared(inputs, found)
            return found
        except torch.OutOfMemoryError as error:
            raise ResourceError(
                f"A batch of {len(inputs)} records doesn't fit into the memory of "
                f"{self.vlm.device}: {_needed(self.vlm)}.",
                where=f"layers 1 … {self.deepest}",
                mend="Use a smaller batch, a smaller dtype, or open the model only as deep as "
                "it is read (depth=).",
            ) from error

    def _run(self, inputs: Inputs) -> torch.Tensor:
        if self._lean is None or self.path == "off":
            return self._plain(inputs)
        grids = self._lean.tower.grids(inputs.tensors)
        if self._graphs is not None and len(set(grids)) == 1:
            found = self._graphs(inputs.tensors, inputs.pictures, grids)
            if found is not None:
                return found
            self.path, self.reason = "lean", self._graphs.reason
            self._graphs = None
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

        def run(
            tensors: Mapping[str, torch.Tensor], pictures: tuple[int, ...], grids: tuple[Grid, ...]
        ) -> torch.Tensor:
            return self._neurons(lean, tensors, pictures, grids)

        if self.path == "graphs":
            return run
        return torch.compile(run, dynamic=False)

    def _way(self, acceleration: Acceleration) -> tuple[str, str]:
        """Return how it will run, and why not faster."""
        if acceleration == "off":
            return "off", "it was turned off"
        if self._lean is None:
            return "off", why_not_lean(self.vlm)
        if acceleration == "lean":
            return "lean", "nothing faster was asked for"
        if self.vlm.device.type != "cuda":
            return "lean", f"graphs need a CUDA device, and the model is on {self.vlm.device}"
        return ("graphs" if acceleration == "auto" else acceleration), ""

    def _compared(self, inputs: Inputs, found: torch.Tensor) -> torch.Tensor:
        """Check the first batch against the plain model, once."""
        self._checked = True
        states = self._states(inputs)[:, : self.deepest].float()
        expected = states[:, self.layers, self.columns]
        same = (found == expected) | (found.isnan() & expected.isnan())
        gap = (found - expected).abs() / (expected.abs() + states.std())
        limit = _EIGHT_BIT_TOLERANCE if self.path == "fp8" else _TOLERANCE[self.vlm.dtype]
        # One value in a hundred may be off by more: sums that nearly cancel round differently.
        share = float(torch.quantile(gap.masked_fill(same, 0).flatten()[:_COMPARED], 0.99))
        if share <= limit:
            return found
        self.reason = f"the {self.path} pass differs from the plain model's by {share:.1e}"
        warnings.warn(
            f"{self.vlm.name}: {self.reason} (99 % of values; at most {limit:.0e} was expected). "
            "The plain model is used instead, which is slower.",
            AccelerationWarning,
            stacklevel=3,
        )
        self.path, self._graphs = "off", None
        return expected


def _check(
    vlm: VLM, layers: Sequence[int], columns: Sequence[int], kind: Kind, acceleration: str
) -> None:
    known, width = vlm.shape(kind)
    if acceleration not in ACCELERATIONS:
        raise ModelError(
            f"Unknown acceleration {acceleration!r}.",
            where="acceleration",
            mend=f"Use one of: {', '.join(ACCELERATIONS)}.",
        )
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
    free, total = torch.cuda.mem_get_info(vlm.device) if vlm.device.type == "cuda" else (0, 0)
    return f"its weights take {weights:.1f} GB; {free / 1e9:.1f} of {total / 1e9:.1f} GB are free"
