"""What has to be known about a model family, and the families that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias

from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.lean.tower import Tower

__all__ = ["Family", "PicturePatches", "PictureTokens", "families", "family_of", "part"]

PicturePatches: TypeAlias = Callable[[Mapping[str, Any]], list[int]]
"""model inputs -> patches of each picture."""

PictureTokens: TypeAlias = Callable[[Mapping[str, Any], int, Any], int]
"""(image-processor output, picture number, image processor) -> placeholder tokens it takes."""


@dataclass(frozen=True, slots=True)
class Family:
    """Where the parts of a model family are, as dotted paths from the model's root.

    Parameters
    ----------
    name
        The name in messages and in artefacts.
    model_types
        The ``config.model_type`` values that belong to it.
    model_class
        The class in ``transformers`` that loads it.
    trunk
        Everything but the language-model head.
    vision, projector
        The vision tower, and what takes its output into the language model's space.
    decoder
        The language model; ``decoder.layers`` are its decoder layers.
    picture_tokens
        Set when pictures and text are prepared apart (the family's own processor would also
        demand a video backend): how many placeholder tokens one picture takes.
    picture_patches
        Set when the vision tower puts the patches of all pictures in one row: how many each has.
    tower_count
        The setting of ``vision_config`` that counts the layers of the vision tower.
    tower_features
        The setting that says which of their states the projector reads, as an index or several;
        by default it reads the last.
    mlp_output, heads_output
        Within a decoder layer, the modules whose inputs are the MLP neurons and the attention
        heads, side by side.
    lean_tower
        Set when the family's passes are known well enough to stop anywhere (:mod:`vlm.lean`): what
        makes its vision tower of the model. Without it, the layer read runs as a whole.
    """

    name: str
    model_types: tuple[str, ...]
    model_class: str
    vision: tuple[str, ...]
    projector: tuple[str, ...]
    trunk: str = "model"
    decoder: str = "model.language_model"
    picture_tokens: PictureTokens | None = None
    picture_patches: PicturePatches | None = None
    tower_count: str = "num_hidden_layers"
    tower_features: str | None = None
    mlp_output: str = "mlp.down_proj"
    heads_output: str = "self_attn.o_proj"
    lean_tower: Callable[[nn.Module], Tower] | None = None

    @property
    def layers(self) -> str:
        """Path of the decoder layers."""
        return f"{self.decoder}.layers"

    @property
    def norm(self) -> str:
        """Path of the norm between the last decoder layer and the head."""
        return f"{self.decoder}.norm"


@cache
def families() -> Mapping[str, Family]:
    """Every known family by ``model_type``: one module of ``vlm.families`` for each.

    Examples
    --------
    >>> sorted(families())[:1]
    ['llava']
    """
    package = import_module("superneurons.vlm.families")
    found: Iterable[Family] = (
        import_module(f"{package.__name__}.{module.name}").FAMILY
        for module in iter_modules(package.__path__)
    )
    return {model_type: family for family in found for model_type in family.model_types}


def family_of(model_type: str) -> Family:
    """Return the family of a ``config.model_type``.

    Raises
    ------
    ModelError
        When the family is not known, with those that are.
    """
    known = families()
    if model_type not in known:
        raise ModelError(
            f"Models of type {model_type!r} are not supported.",
            where="config.json: model_type",
            mend=f"Use one of: {', '.join(sorted(known))}; or describe the family in "
            "superneurons/vlm/families/.",
        )
    return known[model_type]


def part(model: nn.Module, path: str, *, family: str) -> nn.Module:
    """Return the submodule at a dotted path.

    Raises
    ------
    ModelError
        When the model has no such part: the family's description doesn't fit it.
    """
    try:
        return model.get_submodule(path)
    except AttributeError as error:
        raise ModelError(
            f"This model has no part {path!r}, though its type says it is of family {family!r}.",
            where=path,
            mend="Check that the checkpoint fits the installed transformers version.",
        ) from error
