"""Pixels to probabilities, as one module without a decision left to make."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from superneurons.errors import DataError, ModelError
from superneurons.export.votes import Votes, votes_of
from superneurons.vlm.family import part
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.lean.passing import Lean, Reached
from superneurons.vlm.model import VLM
from superneurons.vlm.taps import PICTURE_KINDS, recording

if TYPE_CHECKING:
    from superneurons.activations.site import Site
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = [
    "PIXELS",
    "AnswerGraph",
    "LeanNeurons",
    "LeanOne",
    "PlainNeurons",
    "answer_graph",
    "silent",
    "traced",
    "untraceable",
]

PIXELS = "pixel_values"


class LeanNeurons(nn.Module):
    """Activations of some neurons by a lean pass, for any number of pictures of one size.

    The words of the prompt are embedded once and for all.

    Parameters
    ----------
    lean
        The passes of a family whose pictures all take as many tokens.
    ids
        The prompt's, with placeholders for one picture, shape (1, T).
    site
        What is read, in the decoder.
    neurons
        Layer and column of each; layers count from 1.
    """

    head: torch.Tensor
    tail: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor
    pictured: torch.Tensor
    layers: torch.Tensor
    columns: torch.Tensor

    def __init__(
        self, lean: Lean, ids: torch.Tensor, site: Site, neurons: Sequence[tuple[int, int]]
    ) -> None:
        super().__init__()
        self.lean, self.key = lean, (site.kind, site.position)
        self.depth = max(layer for layer, _ in neurons)
        pictured = ids == lean.image_token
        places = pictured[0].nonzero().flatten()
        self.first, self.after = int(places[0]), int(places[-1]) + 1
        words = lean.vectors[ids]
        cos, sin = lean.turn(words, torch.arange(ids.shape[1])[None])
        self.register_buffer("head", words[:, : self.first].clone())
        self.register_buffer("tail", words[:, self.after :].clone())
        self.register_buffer("cos", cos.clone())
        self.register_buffer("sin", sin.clone())
        self.register_buffer("pictured", pictured)
        self.register_buffer("layers", torch.tensor([layer - 1 for layer, _ in neurons]))
        self.register_buffer("columns", torch.tensor([column for _, column in neurons]))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Activations (B, K) of pictures (B, 3, H, W)."""
        n = pixel_values.shape[0]
        seen = self.lean.tower.see({PIXELS: pixel_values}, ()).tokens
        assert seen is not None
        tokens = seen.reshape(n, self.after - self.first, -1)
        hidden = torch.cat(
            [self.head.expand(n, -1, -1), tokens, self.tail.expand(n, -1, -1)], dim=1
        )
        reached = Reached(
            layer=0,
            hidden=hidden,
            rope=(self.cos, self.sin),
            last=torch.full((n,), self.pictured.shape[1] - 1),
            images=self.pictured.expand(n, -1),
            additions=(),
            states={self.key: ()},
        )
        found = self.lean.advance(reached, self.depth, last=True).at(*self.key)
        return found[:, self.layers, self.columns]


class LeanOne(nn.Module):
    """Activations of some neurons by a lean pass, for one picture of one size.

    For families whose pictures take as many tokens as they are large.

    Parameters
    ----------
    lean
        The family's passes.
    tensors
        What the model takes, for one record.
    site
        What is read, in the decoder.
    neurons
        Layer and column of each; layers count from 1.
    """

    layers: torch.Tensor
    columns: torch.Tensor

    def __init__(
        self,
        lean: Lean,
        tensors: Mapping[str, torch.Tensor],
        site: Site,
        neurons: Sequence[tuple[int, int]],
    ) -> None:
        super().__init__()
        self.lean, self.site = lean, site
        self.grids = lean.tower.grids(tensors)
        self.depth = max(layer for layer, _ in neurons)
        self.fixed = [name for name in tensors if name != PIXELS]
        for name in self.fixed:
            self.register_buffer(f"given_{name}", tensors[name])
        self.register_buffer("layers", torch.tensor([layer - 1 for layer, _ in neurons]))
        self.register_buffer("columns", torch.tensor([column for _, column in neurons]))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Activations (1, K) of one picture."""
        given = {name: getattr(self, f"given_{name}") for name in self.fixed}
        site = self.site
        reached = self.lean.start(
            {**given, PIXELS: pixel_values}, [site.kind], [site.position],
            grids=self.grids, deepest=self.depth,
        )  # fmt: skip
        found = self.lean.advance(reached, self.depth, last=True).at(site.kind, site.position)
        return found[:, self.layers, self.columns]


class PlainNeurons(nn.Module):
    """Activations of some neurons by the model of ``transformers``, for one picture at a time.

    Parameters
    ----------
    vlm
        Cut off at the deepest neuron.
    tensors
        What the model takes besides pixels, for one record.
    site
        What is read.
    neurons
        Layer and column of each; layers count from 1.
    """

    layers: torch.Tensor
    columns: torch.Tensor

    def __init__(
        self,
        vlm: VLM,
        tensors: Mapping[str, torch.Tensor],
        site: Site,
        neurons: Sequence[tuple[int, int]],
    ) -> None:
        super().__init__()
        self.trunk = part(vlm.model, vlm.family.trunk, family=vlm.family.name)
        self.vlm, self.kind = vlm, site.kind
        # One row is never padded: without a mask, nothing has to be looked up while it runs.
        self.fixed = [name for name in tensors if name not in (PIXELS, "attention_mask")]
        for name in self.fixed:
            self.register_buffer(f"given_{name}", tensors[name])
        self.register_buffer("layers", torch.tensor([layer - 1 for layer, _ in neurons]))
        self.register_buffer("columns", torch.tensor([column for _, column in neurons]))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Activations (1, K) of one picture."""
        given = {name: getattr(self, f"given_{name}") for name in self.fixed}
        reads: Any = {self.kind: {"last_prompt": lambda hidden: hidden[:, -1]}}
        with recording(self.vlm.model, self.vlm.family, reads) as found:
            cast(Any, self.trunk)(pixel_values=pixel_values, use_cache=False, **given)
        states = torch.stack(found[self.kind, "last_prompt"], dim=1)
        return states[:, self.layers, self.columns]


class AnswerGraph(nn.Module):
    """Scores and probabilities of labels, (B, C) each.

    Parameters
    ----------
    neurons
        What gives activations (B, K) of pixels.
    votes
        What makes scores of them.
    """

    def __init__(self, neurons: LeanNeurons | LeanOne | PlainNeurons, votes: Votes) -> None:
        super().__init__()
        self.neurons, self.votes = neurons, votes

    @property
    def any_batch(self) -> bool:
        """Whether it takes any number of pictures at once."""
        return isinstance(self.neurons, LeanNeurons)

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scores and their softmax."""
        scores = self.votes(self.neurons(pixel_values))
        return scores, scores.softmax(dim=-1)


def answer_graph(
    classifier: SuperNeuronClassifier, tensors: Mapping[str, torch.Tensor]
) -> AnswerGraph:
    """Put a classifier's passes and votes together.

    Parameters
    ----------
    classifier
        A fitted one that reads the decoder.
    tensors
        What the model takes for one record with one picture.

    Raises
    ------
    DataError
        When it reads what no graph is written for.
    """
    site, votes = classifier.site_, votes_of(classifier.read_out_)
    if site.kind in PICTURE_KINDS:
        raise DataError(
            f"No graph is written for the site {site}.",
            where="site",
            mend="Fit on residual, mlp or heads.",
        )
    neurons = [(neuron.layer, neuron.index) for neuron in classifier.neurons_]
    vlm = _in_float32(classifier.truncated())
    lean = lean_of(vlm)
    if lean is not None and not lean.three_axes and set(tensors) == _SIMPLE:
        return AnswerGraph(LeanNeurons(lean, tensors["input_ids"], site, neurons), votes).eval()
    if lean is not None:
        return AnswerGraph(LeanOne(lean, tensors, site, neurons), votes).eval()
    if site.position != "last_prompt":
        raise DataError(
            f"No graph is written for {site} of {vlm.family.name}.",
            where="position",
            mend="Fit at the last prompt position.",
        )
    return AnswerGraph(PlainNeurons(vlm, tensors, site, neurons), votes).eval()


_SIMPLE = {"input_ids", "attention_mask", PIXELS}


def _in_float32(vlm: VLM) -> VLM:
    if vlm.dtype == torch.float32 and vlm.device.type == "cpu":
        return vlm
    import copy

    model = copy.deepcopy(vlm.model).to("cpu", torch.float32)
    return replace(vlm, model=model)


def traced(graph: AnswerGraph, pixels: torch.Tensor, name: str) -> torch.export.ExportedProgram:
    """Trace a graph, for any batch where it takes any.

    Parameters
    ----------
    graph
        From :func:`answer_graph`.
    pixels
        Of one picture.
    name
        The family, for the message.

    Raises
    ------
    ModelError
        When the family's own code looks at values while it runs, which no graph can.
    """
    shapes, example = None, pixels
    if graph.any_batch:  # 1 would be taken for a constant
        shapes = {PIXELS: {0: torch.export.Dim.DYNAMIC}}
        example = torch.cat([pixels, pixels])
    try:
        with silent():
            program = torch.export.export(
                graph, (example,), dynamic_shapes=shapes, strict=graph.any_batch
            )
    except Exception as error:
        raise untraceable(name, error) from error
    for node in list(program.graph.nodes):
        # They hold for every picture of this size, or they would have failed on the example.
        if node.op == "call_function" and "assert" in str(node.target):
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    program.graph_module.recompile()
    return program


@contextmanager
def silent(logger: str = "torch") -> Iterator[None]:
    """Keep exporters from telling of deprecations and packages that nobody needs here.

    Parameters
    ----------
    logger
        Whose messages below errors of its own are dropped.
    """
    said = logging.getLogger(logger)
    before = said.level
    said.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        said.setLevel(before)


def untraceable(name: str, error: Exception) -> ModelError:
    """Say that a family cannot be a graph, and why, in one line of what was raised."""
    said = str(error).strip().splitlines()
    return ModelError(
        f"The passes of {name} cannot be made one graph: {type(error).__name__}"
        f"{': ' + said[0] if said else ''}",
        where=name,
        mend="Export a checkpoint instead (superneurons export hf), or serve the classifier "
        "itself.",
    )
