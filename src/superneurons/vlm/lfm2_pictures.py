"""LFM2-VL's image processor on Pillow: the one in ``transformers`` needs torchvision.

A picture keeps its shape, at a size that makes a number of tokens within limits; one that is much
larger is cut into squares, after which comes the whole. All of them are padded to as many patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs

__all__ = ["Cut", "Lfm2VlImageProcessorPil", "cut_of"]


class _Settings(ImagesKwargs, total=False):  # type: ignore[call-arg, misc, unused-ignore]
    """What can be set besides that which every image processor has."""

    downsample_factor: int
    do_image_splitting: bool
    min_tiles: int
    max_tiles: int
    use_thumbnail: bool
    min_image_tokens: int
    max_image_tokens: int
    encoder_patch_size: int
    tile_size: int
    max_pixels_tolerance: float
    return_row_col_info: bool


class Cut(NamedTuple):
    """How a picture is seen.

    Attributes
    ----------
    rows, columns
        Squares it is cut into; 1 and 1 where it isn't.
    height, width
        Of the whole, in pixels.
    """

    rows: int
    columns: int
    height: int
    width: int


class Lfm2VlImageProcessorPil(PilBackend):
    """Prepares pictures as ``Lfm2VlImageProcessor`` does; settings have its names and values."""

    downsample_factor = 2
    do_image_splitting = True
    min_tiles = 2
    max_tiles = 10
    use_thumbnail = True
    min_image_tokens = 64
    max_image_tokens = 256
    encoder_patch_size = 16
    tile_size = 512
    max_pixels_tolerance = 2.0
    do_resize = True
    size: ClassVar = {"height": 512, "width": 512}
    resample = PILImageResampling.BILINEAR
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    do_convert_rgb = True
    return_row_col_info = False
    image_mean = (0.5, 0.5, 0.5)
    image_std = (0.5, 0.5, 0.5)
    valid_kwargs = _Settings
    model_input_names: ClassVar = ["pixel_values", "pixel_attention_mask", "spatial_shapes"]

    def _preprocess(
        self, images: Sequence[npt.NDArray[np.uint8]], return_tensors: str | None, **given: Any
    ) -> BatchFeature:
        cuts = [cut_of(image.shape[1], image.shape[2], given) for image in images]
        tiles = [
            self._patches(tile, given)
            for image, cut in zip(images, cuts, strict=True)
            for tile in self._tiles(image, cut, given)
        ]
        most = given["max_image_tokens"] * given["downsample_factor"] ** 2
        if given["do_image_splitting"]:
            most = max(most, (given["tile_size"] // given["encoder_patch_size"]) ** 2)
        data: dict[str, Any] = {
            "pixel_values": np.stack([_padded(patches, most) for patches, _ in tiles]),
            "pixel_attention_mask": np.stack(
                [np.arange(most) < len(patches) for patches, _ in tiles]
            ).astype(np.int32),
            "spatial_shapes": np.array([shape for _, shape in tiles]),
        }
        if given["return_row_col_info"]:
            data["image_rows"] = [cut.rows for cut in cuts]
            data["image_cols"] = [cut.columns for cut in cuts]
            data["image_sizes"] = [[cut.height, cut.width] for cut in cuts]
        return BatchFeature(data, tensor_type=return_tensors)

    def _tiles(
        self, image: npt.NDArray[Any], cut: Cut, given: dict[str, Any]
    ) -> list[npt.NDArray[Any]]:
        """Squares row by row, and the whole."""
        whole = SizeDict(height=cut.height, width=cut.width)
        if cut.rows * cut.columns == 1:
            return [self.resize(image, whole, given["resample"])]
        side = given["tile_size"]
        size = SizeDict(height=cut.rows * side, width=cut.columns * side)
        grid = self.resize(image, size, given["resample"])
        tiles = [
            tile
            for row in np.split(grid, cut.rows, axis=1)
            for tile in np.split(row, cut.columns, axis=2)
        ]
        return tiles + [self.resize(image, whole, given["resample"])] * given["use_thumbnail"]

    def _patches(
        self, tile: npt.NDArray[Any], given: dict[str, Any]
    ) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
        """Patches (P, side² · 3) of a picture, and how many rows and columns of them there are."""
        if given["do_rescale"]:
            tile = self.rescale(tile, given["rescale_factor"])
        if given["do_normalize"]:
            tile = self.normalize(tile, given["image_mean"], given["image_std"])
        side = given["encoder_patch_size"]
        rows, columns = tile.shape[1] // side, tile.shape[2] // side
        squares = tile.reshape(tile.shape[0], rows, side, columns, side)
        return squares.transpose(1, 3, 2, 4, 0).reshape(rows * columns, -1), (rows, columns)


def _padded(patches: npt.NDArray[np.float32], most: int) -> npt.NDArray[np.float32]:
    return np.pad(patches, ((0, most - len(patches)), (0, 0)))


def cut_of(height: int, width: int, given: dict[str, Any]) -> Cut:
    """Return how a picture is seen.

    Parameters
    ----------
    height, width
        Its size, in pixels.
    given
        Settings of the image processor.
    """
    token = given["encoder_patch_size"] * given["downsample_factor"]
    most = given["max_image_tokens"] * token**2
    size = _whole_size(height, width, token, given["min_image_tokens"] * token**2, most)
    rough = [max(given["encoder_patch_size"], round(n / token) * token) for n in (height, width)]
    if not given["do_image_splitting"] or given["min_tiles"] == given["max_tiles"] == 1:
        return Cut(1, 1, *size)
    if math.prod(rough) <= most * given["max_pixels_tolerance"]:
        return Cut(1, 1, *size)
    grids = _grids(given["min_tiles"], given["max_tiles"])
    columns, rows = _closest(width, height, grids, given["tile_size"])
    return Cut(rows, columns, *size)


def _whole_size(height: int, width: int, token: int, least: int, most: int) -> tuple[int, int]:
    """Height and width in whole tokens, with least to most pixels as far as the shape allows."""
    sides = height, width
    rounded = [max(token, round(n / token) * token) for n in sides]
    if math.prod(rounded) > most:
        shrink = math.sqrt(height * width / most)
        rounded = [max(token, math.floor(n / shrink / token) * token) for n in sides]
    elif math.prod(rounded) < least:
        grow = math.sqrt(least / (height * width))
        rounded = [math.ceil(n * grow / token) * token for n in sides]
    return rounded[0], rounded[1]


@cache
def _grids(least: int, most: int) -> tuple[tuple[int, int], ...]:
    """(columns, rows) with least to most squares, few squares first."""
    # A set, whose order decides between grids of as many squares, as in transformers.
    found = {
        (w, h)
        for n in range(least, most + 1)
        for w in range(1, n + 1)
        for h in range(1, n + 1)
        if least <= w * h <= most
    }
    return tuple(sorted(found, key=math.prod))


def _closest(
    width: int, height: int, grids: Sequence[tuple[int, int]], side: int
) -> tuple[int, int]:
    """The grid of the closest shape; of several, the largest that the picture half fills."""
    best, least = (1, 1), math.inf
    for grid in grids:
        gap = abs(width / height - grid[0] / grid[1])
        if gap < least:
            best, least = grid, gap
        elif gap == least and width * height > 0.5 * side**2 * math.prod(grid):
            best = grid
    return best
