"""What has to be known about a model family, and the families that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias

import torch
from torch import nn

from superneurons.errors import ModelError
from superneurons.vlm.lean.tower import Tower

__all__ = [
    "Family",
    "PatchMask",
    "PicturePatches",
    "PictureTokens",
    "ProcessorLoader",
    "RecordTiles",
    "families",
    "family_of",
    "part",
]

PicturePatches: TypeAlias = Callable[[Mapping[str, Any]], list[int]]
"""model inputs -> patches of each picture."""

PatchMask: TypeAlias = Callable[[Mapping[str, Any], Any], torch.Tensor]
"""(model inputs, the model's configuration) -> which of the tower's rows are patches (tiles, P)."""

RecordTiles: TypeAlias = Callable[[Mapping[str, Any], Any, Sequence[int]], list[int]]
"""(model inputs, the model's configuration, pictures of each record) -> tiles of each record."""

ProcessorLoader: TypeAlias = Callable[..., Any]
"""(path, **options of ``from_pretrained``) -> a processor."""

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
    tower_types, text_types
        The ``model_type`` values of ``config.vision_config`` and ``config.text_config`` that belong
        to it; any, by default. Families that name theirs come first.
    vision, projector
        The vision tower, and what takes its output into the language model's space.
    trunk
        Everything but the language-model head.
    decoder
        The language model, without its head.
    layers_name, norm_name
        What the decoder calls its layers and the norm after them.
    stored_as
        What checkpoints call parts of it where they have other names than here: (theirs, ours), as
        pieces of paths. ``transformers`` knows them itself; loading only some layers has to.
    processor
        What turns pictures and text into model inputs: the name of its class in ``transformers``,
        of which what is for videos is left out, or what loads it. ``transformers`` chooses, by
        default.
    picture_mark
        What stands for one picture in a prompt's text; by default the processor's ``image_token``.
    template
        How models that come without a chat template are asked: see
        :class:`superneurons.vlm.prompt.Prompt`.
    picture_tokens
        How many placeholder tokens one picture takes, where that depends on its size.
    picture_patches
        Set when the vision tower puts the patches of all pictures in one row: how many each has.
    record_tiles
        Set when the vision tower sees a picture as several tiles: how many those of each record
        are.
    projected
        Set when the projector puts what it makes of all pictures in one row, though the tower does
        not: how many each has there.
    patch_mask
        Set when the tower pads all pictures to as many patches: which of them are theirs.
    tower_count, tower_width
        The settings of ``vision_config`` that say how many layers the vision tower has and how wide
        they are. No count: its layers are no sites, and it is never cut.
    tower_features
        The setting that says which of their states the projector reads, as an index or several;
        by default it reads the last.
    mlp_output, heads_output
        Within a decoder layer, the modules whose inputs are the MLP neurons and the attention
        heads, side by side.
    lacks
        Kinds of sites that it doesn't have: ``mlp`` where experts take turns, ``heads`` where not
        all layers have attention, ``vision`` where the tower isn't one list of layers.
    answer_type
        What ``token_type_ids`` are for tokens that the model answers with.
    resizable
        Whether pictures can be seen at another size than the model was trained at.
    sizes_count_frames
        Whether the numbers of pixels that its image processor allows count a picture once for each
        frame of a patch.
    lean_tower
        Set when the family's passes are known well enough to stop anywhere (:mod:`vlm.lean`): what
        makes its vision tower of the model. Without it, the layer read runs as a whole.
    """

    name: str
    model_types: tuple[str, ...]
    model_class: str
    vision: tuple[str, ...]
    projector: tuple[str, ...]
    tower_types: tuple[str, ...] = ()
    text_types: tuple[str, ...] = ()
    trunk: str = "model"
    decoder: str = "model.language_model"
    layers_name: str = "layers"
    norm_name: str = "norm"
    stored_as: tuple[tuple[str, str], ...] = ()
    processor: str | ProcessorLoader = "AutoProcessor"
    picture_mark: str | None = None
    template: str | None = None
    picture_tokens: PictureTokens | None = None
    picture_patches: PicturePatches | None = None
    record_tiles: RecordTiles | None = None
    projected: PicturePatches | None = None
    patch_mask: PatchMask | None = None
    tower_count: str | None = "num_hidden_layers"
    tower_width: str = "hidden_size"
    tower_features: str | None = None
    mlp_output: str = "mlp.down_proj"
    heads_output: str = "self_attn.o_proj"
    lacks: tuple[str, ...] = ()
    answer_type: int = 0
    resizable: bool = True
    sizes_count_frames: bool = False
    lean_tower: Callable[[nn.Module], Tower] | None = None

    @property
    def layers(self) -> str:
        """Path of the decoder layers."""
        return f"{self.decoder}.{self.layers_name}"

    @property
    def norm(self) -> str:
        """Path of the norm between the last decoder layer and the head."""
        return f"{self.decoder}.{self.norm_name}"


@cache
def families() -> Mapping[str, tuple[Family, ...]]:
    """Every known family by ``model_type``: the ``FAMILIES`` of each module of ``vlm.families``.

    Examples
    --------
    >>> families()["llava"][-1].name
    'LLaVA-1.5'
    """
    package = import_module("superneurons.vlm.families")
    found: Iterable[Family] = (
        family
        for module in iter_modules(package.__path__)
        for family in import_module(f"{package.__name__}.{module.name}").FAMILIES
    )
    by_type: dict[str, list[Family]] = {}
    for family in sorted(found, key=lambda each: not each.tower_types + each.text_types):
        for model_type in family.model_types:
            by_type.setdefault(model_type, []).append(family)
    return {model_type: tuple(members) for model_type, members in by_type.items()}


def family_of(config: Any) -> Family:
    """Return the family of a model.

    Parameters
    ----------
    config
        The model's configuration.

    Raises
    ------
    ModelError
        When the family is not known, with those that are.
    """
    known = families()
    tower, text = (
        getattr(getattr(config, name, None), "model_type", None)
        for name in ("vision_config", "text_config")
    )
    for family in known.get(config.model_type, ()):
        if tower in (family.tower_types or [tower]) and text in (family.text_types or [text]):
            return family
    raise ModelError(
        f"Models of type {config.model_type!r} are not supported.",
        where="config.json: model_type",
        mend=f"Use one of: {', '.join(sorted(known))}; or describe the family in "
        "superneurons/vlm/families/.",
    )


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
