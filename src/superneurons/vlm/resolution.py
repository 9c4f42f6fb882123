"""See pictures at another size than a model was trained at, with the same weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from superneurons.errors import ModelError, Problem
from superneurons.vlm.family import Family, part
from superneurons.vlm.tower import reconfigured
from superneurons.vlm.twin import with_child

__all__ = ["ResizedPositions", "at_resolution", "resized", "resolution_of"]

_SIZES = ("size", "crop_size")


class ResizedPositions(nn.Embedding):
    """Learned positions of a square of patches, resampled to another square.

    Parameters
    ----------
    native
        The learned ones, shape (n, W): a square of patches, with or without a class token before.
    side
        Patches along the side of the new square.

    Attributes
    ----------
    native : Tensor
        What was given: it is what tells models apart, and what another size is made from.
    """

    def __init__(self, native: torch.Tensor, side: int) -> None:
        weight = resized(native, side)
        super().__init__(len(weight), weight.shape[1], _weight=weight, _freeze=True)
        self.native = native.detach()


@torch.no_grad()
def resized(positions: torch.Tensor, side: int) -> torch.Tensor:
    """Resample learned positions to a square of other size, in float32.

    Parameters
    ----------
    positions
        Shape (n, W): a square of patches, with or without a class token before, which is kept.
    side
        Patches along the side of the new square.

    Returns
    -------
    torch.Tensor
        Shape (side² or side² + 1, W), in the dtype given.

    Notes
    -----
    Bicubic, as ``interpolate_pos_encoding`` of the towers in ``transformers``.
    """
    before = math.isqrt(len(positions))
    leading = len(positions) - before**2
    square = positions[leading:].float().T.reshape(1, -1, before, before)
    scaled = F.interpolate(square, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([positions[:leading], scaled.flatten(2)[0].T.to(positions.dtype)])


def resolution_of(model: nn.Module, processor: Any, family: Family) -> int:
    """Return the side of the square that pictures are seen as, in pixels.

    Where pictures keep their shape, it is the side of a square of the largest size allowed; where
    they are seen as tiles, that of one tile (0: not known).

    Raises
    ------
    ModelError
        When the vision tower is of a type that isn't known.
    """
    if not family.resizable:
        return _tile_side(model)
    if _keeps_shapes(family):
        own = processor.image_processor
        largest = int(own.size["longest_edge"])
        return largest if _by_side(own) else math.isqrt(largest // _frames(own, family))
    return int(_embeddings(model, family)[1].image_size)


def at_resolution(
    model: nn.Module, processor: Any, family: Family, pixels: int
) -> tuple[nn.Module, Any]:
    """Return a model and its processor for pictures of ``pixels`` × ``pixels``.

    They share all weights with those given, which stay as they were. Positions learned for patches
    of the whole size are resampled; where a model takes pictures of any size, they are made no
    larger than that many pixels.

    Raises
    ------
    ModelError
        When the model cannot see pictures of that size; lists every problem.
    """
    if not family.resizable:
        if pixels == _tile_side(model):
            return model, processor
        raise ModelError(
            f"How models of family {family.name} see pictures at another size is not known.",
            where="resolution",
            mend="Leave the resolution as it is.",
        )
    own = getattr(processor, "native_pictures", processor.image_processor)
    problems = [] if type(pixels) is int and pixels > 0 else ["no whole number of at least 1"]
    if not problems:
        problems = _problems(model, own, family, pixels)
    if problems:
        raise ModelError(
            f"This model cannot see pictures of {pixels} × {pixels} pixels.",
            problems=[Problem("resolution", what) for what in problems],
            mend=_mend(model, own, family),
        )
    if pixels == resolution_of(model, processor, family):
        return model, processor
    if _keeps_shapes(family):
        return model, _with_sizes(processor, own, {"size": _allowed(own, family, pixels)})
    native = _native_side(model, family)
    scaled = {name: _scaled(own.to_dict().get(name), pixels / native) for name in _SIZES}
    seeing = _with_sizes(processor, own, scaled)
    if hasattr(processor, "image_seq_length"):  # one token for each patch, as it writes them
        seeing.image_seq_length = (pixels // _step(model, own, family)) ** 2
    return _resized_tower(model, family, pixels), seeing


def _tile_side(model: nn.Module) -> int:
    """What one pass of the tower is made for."""
    config = cast(Any, model).config.vision_config
    sides = getattr(config, "image_size", 0)
    return int(sides if isinstance(sides, int) else max(sides))


def _keeps_shapes(family: Family) -> bool:
    """Whether the tower takes pictures of any size, one after the other in one row of patches."""
    return family.picture_patches is not None


def _by_side(own: Any) -> bool:
    """Whether an image processor limits the sides of a picture, not its number of pixels."""
    return not own.to_dict()["size"].get("shortest_edge")


def _allowed(own: Any, family: Family, pixels: int) -> dict[str, int]:
    if _by_side(own):
        return {"longest_edge": pixels}
    most = pixels**2 * _frames(own, family)
    return {"shortest_edge": min(int(own.size["shortest_edge"]), most), "longest_edge": most}


def _frames(own: Any, family: Family) -> int:
    """How often the sizes that an image processor allows count a picture."""
    return int(own.temporal_patch_size) if family.sizes_count_frames else 1


def _embeddings(model: nn.Module, family: Family) -> tuple[str, Any]:
    """What turns pixels into patches with positions, and where it is."""
    for root in family.vision:
        for name, module in part(model, root, family=family.name).named_modules():
            if hasattr(module, "position_embedding") and hasattr(module, "patch_embedding"):
                return f"{root}.{name}", module
    raise ModelError(
        "This model's vision tower has no learned positions that are known.",
        where=", ".join(family.vision),
        mend="Leave the resolution as it is.",
    )


def _native_positions(embeddings: Any) -> torch.Tensor:
    table = embeddings.position_embedding
    return cast(torch.Tensor, getattr(table, "native", table.weight))


def _native_side(model: nn.Module, family: Family) -> int:
    """What the tower was made for: no multiple of a patch where it drops pixels at the edge."""
    embeddings = _embeddings(model, family)[1]
    return int(getattr(embeddings, "native_size", embeddings.image_size))


def _problems(model: nn.Module, own: Any, family: Family, pixels: int) -> list[str]:
    step = _step(model, own, family)
    if _keeps_shapes(family):
        return [f"less than the {step} pixels of one image token"] if pixels < step else []
    whole = pixels % step == 0 or pixels == _native_side(model, family)
    found = [] if whole else [f"no multiple of a patch of {step} pixels"]
    tokens = (pixels // step) ** 2
    most = getattr(cast(Any, model).config.get_text_config(), "max_position_embeddings", None)
    if most is not None and tokens >= most:
        found.append(f"{tokens:,} image tokens, and the model takes {most:,} tokens in all")
    return found


def _mend(model: nn.Module, own: Any, family: Family) -> str:
    step = _step(model, own, family)
    if _keeps_shapes(family):
        return f"Choose {step} or more."
    return f"Choose a multiple of {step}; it was made for {_native_side(model, family)}."


def _step(model: nn.Module, own: Any, family: Family) -> int:
    if _keeps_shapes(family) and _by_side(own):
        config = cast(Any, model).config
        return int(config.vision_config.patch_size) * int(getattr(config, "spatial_merge_size", 1))
    if _keeps_shapes(family):
        return int(own.patch_size) * int(own.merge_size)
    return int(_embeddings(model, family)[1].patch_size)


def _scaled(size: Mapping[str, int] | None, factor: float) -> dict[str, int] | None:
    return None if size is None else {name: round(n * factor) for name, n in size.items()}


def _with_sizes(processor: Any, own: Any, sizes: Mapping[str, Mapping[str, int] | None]) -> Any:
    """Copy a processor, with an image processor of its own that makes pictures of other sizes."""
    pictures = copy.deepcopy(own)
    for name, size in sizes.items():
        if size:
            setattr(pictures, name, type(getattr(own, name))(**size))
    twin = copy.copy(processor)
    twin.image_processor, twin.native_pictures = pictures, own
    return twin


def _resized_tower(model: nn.Module, family: Family, pixels: int) -> nn.Module:
    path, embeddings = _embeddings(model, family)
    side = pixels // int(embeddings.patch_size)
    table = ResizedPositions(_native_positions(embeddings), side)
    twin = cast(Any, with_child(embeddings, "position_embedding", table))
    twin.native_size = _native_side(model, family)
    twin.image_size, twin.num_patches = pixels, side**2
    twin.num_positions = table.num_embeddings
    twin.position_ids = torch.arange(table.num_embeddings, device=table.weight.device)[None]

    def resize(config: Any) -> None:
        config.vision_config.image_size = pixels
        config.image_seq_length = side**2

    return reconfigured(model, family, path, twin, resize)
