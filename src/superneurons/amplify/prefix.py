"""What comes before an amplified layer, computed once for all that is tried on that layer.

Two ways. *Exact*: the states that enter the layer are kept for every position, and the model's own
forward pass is run with the layers before passed over: bit for bit what a plain pass gives. *Last
token*: keys and values of every layer are kept, too, and only the last token runs through the
layers from there on; what comes before it cannot change when only the last position is amplified.
That is the same up to rounding, and much faster.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel
from superneurons.errors import DataError
from superneurons.vlm.tower import stopping_after
from superneurons.vlm.twin import with_child

__all__ = ["Prefix", "Prefixes", "prefix_of", "prefixes_of"]


@dataclass(frozen=True)
class Prefix:
    """A batch of prompts as it enters a layer.

    Parameters
    ----------
    model
        The whole model.
    layer
        The first layer that is still to be run.
    ids, mask
        The tokens that are to be run, shape (B, T'), and the mask over all of them, shape (B, T).
    entering
        What the layer before returned; ``None`` before the first.
    cache
        Keys and values of the tokens before, where only the last is to be run.
    """

    model: LanguageModel
    layer: int
    ids: torch.Tensor
    mask: torch.Tensor
    entering: Any = field(repr=False)
    cache: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def logits(
        self, amplification: Amplification | None = None, rows: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Run the layers that are left.

        Parameters
        ----------
        amplification
            Of this layer or a later one; none by default.
        rows
            Which rows are amplified, shape (B,) bool; all by default.

        Returns
        -------
        Tensor of shape (B, V), float32
            Logits of the next token, on the model's device.

        Raises
        ------
        DataError
            When the amplification is of a layer before, or of all positions where only the last
            token is to be run.
        MismatchError, ModelError
            As :func:`~superneurons.amplify.amplification.amplified` does.
        """
        twin = self._twin()
        options = {} if self.cache is None else self._cached()
        if amplification is None:
            return twin.run(self.ids, self.mask, **options)
        self._check(amplification)
        amplification.check(self.model)
        with amplified(twin, replace(amplification, model=None), rows):
            return twin.run(self.ids, self.mask, **options)

    def _twin(self) -> LanguageModel:
        """The model with the layers before this one passed over."""
        if self.layer == 1:
            return self.model
        layers = list(self.model.layers)
        passed = [_Passed(layer, self.entering) for layer in layers[: self.layer - 1]]
        path = self.model.layers_path
        rest = nn.ModuleList([*passed, *layers[self.layer - 1 :]])
        return replace(self.model, model=with_child(self.model.model, path, rest))

    def _cached(self) -> dict[str, Any]:
        """A pass adds its own keys and values, which must not stay."""
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        return {"past_key_values": cache, "use_cache": True}

    def _check(self, amplification: Amplification) -> None:
        if amplification.layer < self.layer:
            raise DataError(
                f"The layers before layer {self.layer} have run already.",
                where=f"layer {amplification.layer}",
                mend="Amplify this layer or a later one, or take the prefix of an earlier one.",
            )
        if amplification.position == "all" and self.cache is not None:
            raise DataError(
                "Only the last token is to be run, but every position is to be amplified.",
                where="position",
                mend="Take an exact prefix, or amplify the last position.",
            )


@dataclass(frozen=True)
class Prefixes:
    """A batch of prompts as it enters each layer, from one pass.

    Parameters
    ----------
    whole
        As it enters the first layer.
    entering
        What each layer but the last returned, by the number of the layer after it.
    """

    whole: Prefix
    entering: Mapping[int, Any] = field(repr=False)

    def at(self, layer: int) -> Prefix:
        """Return the prompts as they enter a layer.

        Raises
        ------
        DataError
            When there is no such layer.
        """
        self.whole.model.mlp(layer)
        return replace(self.whole, layer=layer, entering=self.entering.get(layer))


@torch.inference_mode()
def prefix_of(model: LanguageModel, prompts: Sequence[str], layer: int) -> Prefix:
    """Run a batch of prompts up to a layer; exact.

    Parameters
    ----------
    model
        The whole model.
    prompts
        One batch.
    layer
        The first layer that is not run.

    Raises
    ------
    DataError
        When there is no such layer, or prompts are empty.
    """
    model.mlp(layer)
    ids, mask = model.encode(prompts)
    if layer == 1:
        return Prefix(model, 1, ids, mask, None)
    with _recorded(model, [layer]) as found, stopping_after(model.layers[layer - 2]):
        model.run(ids, mask)
    return Prefix(model, layer, ids, mask, found[layer])


@torch.inference_mode()
def prefixes_of(
    model: LanguageModel, prompts: Sequence[str], *, last_token: bool = False
) -> Prefixes:
    """Run a batch of prompts once and keep how it enters every layer.

    Parameters
    ----------
    model
        The whole model.
    prompts
        One batch.
    last_token
        Run only the last token from there on: the same up to rounding, and much faster. For
        amplifications of the last position.

    Raises
    ------
    DataError
        When prompts are empty.
    """
    ids, mask = model.encode(prompts)
    later = range(2, model.n_layers + 1)
    cache = _keys_and_values(model, ids, mask) if last_token and ids.shape[1] > 1 else None
    if cache is None:
        with _recorded(model, later) as found:
            model.run(ids, mask)
        return Prefixes(Prefix(model, 1, ids, mask, None), found)
    whole = Prefix(model, 1, ids[:, -1:], mask, None, cache)
    with _recorded(model, later) as found:
        whole.logits()
    return Prefixes(whole, found)


def _keys_and_values(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor) -> Any:
    """Those of all tokens but the last; ``None`` where layers keep something else, too."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    cache = DynamicCache(config=getattr(model.model, "config", None))
    model.run(ids[:, :-1], mask[:, :-1], past_key_values=cache, use_cache=True)
    return cache if all(type(layer) is DynamicLayer for layer in cache.layers) else None


@contextmanager
def _recorded(model: LanguageModel, layers: Sequence[int]) -> Iterator[dict[int, Any]]:
    """Keep what each of these layers is entered with: what the layer before it returns."""
    found: dict[int, Any] = {}

    def keep(layer: int) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            found[layer] = output

        return hook

    with ExitStack() as hooks:
        for layer in layers:
            handle = model.layers[layer - 2].register_forward_hook(keep(layer))
            hooks.callback(handle.remove)
        yield found


class _Passed(nn.Module):
    """In the place of a layer that has run: returns what the last such layer returned."""

    def __init__(self, layer: nn.Module, output: Any) -> None:
        super().__init__()
        self._output = output
        self._layer = (layer,)  # no child of this module

    def forward(self, *_: Any, **__: Any) -> Any:
        return self._output

    def __getattr__(self, name: str) -> Any:
        """What models ask of a layer besides running it: the kind of its attention, say."""
        return getattr(self.__dict__["_layer"][0], name)
