"""Scenes to pixels, and to what lies where. The same code on a CPU and on a GPU."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from superneurons.demo.atlas import UNLABELLED, Atlas
from superneurons.demo.backgrounds import hashed_uniform, paint
from superneurons.demo.scenes import GRID, IMAGE_SIZE, SLOTS, Scenes

__all__ = ["cover", "masks", "patch_targets", "render"]

UNSURE = -100
_CHUNK = 32
_MASK_SIDE = 64
_SOFT_BELOW = 0.3  # drawn smaller than this share of the canvas, a sprite is sampled half as fine
_KERNEL_RADIUS = 7
_CLEARLY, _HARDLY = 0.2, 0.03


def render(scenes: Scenes, atlas: Atlas, device: str | torch.device = "cpu") -> torch.Tensor:
    """Draw scenes.

    Parameters
    ----------
    scenes
        ``B`` scenes.
    atlas
        Its pixels are used where they lie; keep them on ``device`` when drawing many.
    device
        Where to draw.

    Returns
    -------
    torch.Tensor
        ``(B, 3, 128, 128)`` uint8 RGB. On a CPU the same scenes give the same bytes.
    """
    device = torch.device(device)
    # A CPU draws small batches faster: they fit its caches.
    step = _CHUNK if device.type == "cpu" else max(len(scenes), 1)
    parts = [
        _draw(scenes.take(slice(start, start + step)), atlas, device)
        for start in range(0, len(scenes), step)
    ]
    empty = torch.empty(0, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.uint8, device=device)
    return torch.cat(parts) if parts else empty


def _draw(scenes: Scenes, atlas: Atlas, device: torch.device) -> torch.Tensor:
    seed = _on(scenes.seed, device)
    canvas = paint(
        _on(scenes.family, device),
        _on(scenes.colours, device),
        _on(scenes.shape, device),
        seed,
        IMAGE_SIZE,
    )
    for slot in range(SLOTS):
        rows = np.flatnonzero(scenes.present[:, slot])
        if not len(rows):
            continue
        texture = _recolour(_texture(scenes, atlas, rows, slot, device), scenes, rows, slot)
        grid = _grid(scenes, rows, np.full(len(rows), slot), IMAGE_SIZE, device)
        drawn = F.grid_sample(texture, grid, mode="bilinear", align_corners=False)
        index = _on(rows, device)
        canvas[index] = canvas[index] * (1 - drawn[:, 3:]) + drawn[:, :3]
    canvas = _expose(canvas, scenes, device)
    grain = hashed_uniform(seed, 3 * IMAGE_SIZE * IMAGE_SIZE, 99).view_as(canvas)
    # A uniform number of the same spread is as good a grain as a normal one, and cheaper.
    canvas += (grain - 0.5) * (12**0.5) * _on(scenes.noise, device)[:, None, None, None]
    return (canvas.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _texture(
    scenes: Scenes, atlas: Atlas, rows: NDArray[np.int64], slot: int, device: torch.device
) -> torch.Tensor:
    """Return the sprites of one slot, premultiplied, ``(n, 4, 64, 64)``; coarser if small."""
    index = torch.from_numpy(scenes.sprite[rows, slot]).to(atlas.pixels.device)
    texture = atlas.pixels[index].to(device).permute(0, 3, 1, 2).to(torch.float32) / 255
    texture = torch.cat([texture[:, :3] * texture[:, 3:], texture[:, 3:]], dim=1)
    small = _on(np.flatnonzero(scenes.size[rows, slot] < _SOFT_BELOW), device)
    if len(small):
        half = F.avg_pool2d(texture[small], 2)
        texture[small] = F.interpolate(half, scale_factor=2.0, mode="bilinear")
    return texture


def _recolour(
    texture: torch.Tensor, scenes: Scenes, rows: NDArray[np.int64], slot: int
) -> torch.Tensor:
    colour, alpha = texture[:, :3], texture[:, 3:]
    saturation = _on(scenes.saturation[rows, slot], texture.device)[:, None, None, None]
    gains = _on(scenes.gains[rows, slot], texture.device)[:, :, None, None]
    grey = colour.mean(dim=1, keepdim=True)
    colour = (grey + (colour - grey) * saturation) * gains
    return torch.cat([torch.minimum(colour.clamp(min=0), alpha), alpha], dim=1)


def _grid(
    scenes: Scenes,
    rows: NDArray[np.int64],
    slots: NDArray[np.int64],
    side: int,
    device: torch.device,
) -> torch.Tensor:
    """Tell where each canvas pixel falls on the thing's sprite, ``(n, side, side, 2)`` in -1…1."""
    at = (rows, slots)
    root = np.sqrt(scenes.aspect[at])
    stretch = np.minimum(root, 1 / root)  # the longer side keeps the scene's size
    cosine, sine = np.cos(scenes.angle[at]), np.sin(scenes.angle[at])
    half = scenes.size[at] / 2
    width = half * root * stretch * np.where(scenes.flip[at], -1, 1)
    height = half / root * stretch
    forward = np.empty((len(rows), 2, 2))
    forward[:, 0, 0] = width * cosine
    forward[:, 1, 0] = width * sine
    forward[:, 0, 1] = height * (scenes.shear[at] * cosine - sine)
    forward[:, 1, 1] = height * (scenes.shear[at] * sine + cosine)
    back = _on(np.linalg.inv(forward).astype(np.float32), device)
    centre = _on(scenes.centre[at], device)
    line = (torch.arange(side, device=device) + 0.5) / side
    dx = line[None, None, :] - centre[:, 0, None, None]
    dy = line[None, :, None] - centre[:, 1, None, None]
    u = back[:, 0, 0, None, None] * dx + back[:, 0, 1, None, None] * dy
    v = back[:, 1, 0, None, None] * dx + back[:, 1, 1, None, None] * dy
    return torch.stack([u, v], dim=-1)


def _expose(canvas: torch.Tensor, scenes: Scenes, device: torch.device) -> torch.Tensor:
    """Apply contrast, blur and light."""
    contrast = _on(scenes.contrast, device)[:, None, None, None]
    canvas = 0.6 + (canvas - 0.6) * contrast
    rows = _on(np.flatnonzero(scenes.blur > 0), device)
    if len(rows):
        canvas[rows] = _blur(canvas[rows], _on(scenes.blur, device)[rows])
    return canvas * _on(scenes.light, device)[:, None, None, None]


def _blur(pictures: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian blur with one standard deviation (pixels) per picture."""
    n = len(pictures)
    offset = torch.arange(-_KERNEL_RADIUS, _KERNEL_RADIUS + 1, device=sigma.device)
    kernel = torch.exp(-0.5 * (offset[None] / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, dim=0)
    flat = pictures.reshape(1, n * 3, IMAGE_SIZE, IMAGE_SIZE)
    padded = F.pad(flat, (_KERNEL_RADIUS,) * 4, mode="replicate")
    across = F.conv2d(padded, kernel[:, None, None, :], groups=n * 3)
    return F.conv2d(across, kernel[:, None, :, None], groups=n * 3).view_as(pictures)


def masks(
    scenes: Scenes, atlas: Atlas, side: int = _MASK_SIDE, device: str | torch.device = "cpu"
) -> torch.Tensor:
    """Return how much of each cell each thing would cover alone, ``(B, 5, side, side)`` float32."""
    device = torch.device(device)
    result = torch.zeros(len(scenes), SLOTS, side, side, device=device)
    rows, slots = np.nonzero(scenes.present)
    if len(rows):
        index = torch.from_numpy(scenes.sprite[rows, slots]).to(atlas.pixels.device)
        alpha = atlas.pixels[..., 3][index][:, None].to(device, torch.float32) / 255
        grid = _grid(scenes, rows, slots, side, device)
        drawn = F.grid_sample(alpha, grid, mode="bilinear", align_corners=False)
        result[_on(rows, device), _on(slots, device)] = drawn[:, 0]
    return result


def cover(scenes: Scenes, atlas: Atlas, side: int = 32) -> tuple[NDArray[np.float32], ...]:
    """Return what can be seen of each thing and what hides it.

    Returns
    -------
    visible
        ``(B, 5)`` share of each thing's drawn area that nothing in front of it covers; 0 for
        an empty slot.
    hidden
        ``(B, 5, 5)``: share of thing ``i`` that thing ``j``, in front of it, covers.
    area
        ``(B, 5)`` drawn area as a share of the canvas.
    """
    drawn = masks(scenes, atlas, side) > 0.5
    flat = drawn.flatten(2).to(torch.float32)
    area = flat.sum(2)
    shared = flat @ flat.transpose(1, 2)
    in_front = torch.triu(torch.ones(SLOTS, SLOTS), diagonal=1)
    hidden = shared * in_front / area.clamp(min=1)[:, :, None]
    # Counted from the front: what is not yet taken is seen.
    ahead = flat.flip(1).cumsum(1).flip(1) - flat
    visible = (flat * (ahead == 0)).sum(2) / area.clamp(min=1)
    return visible.numpy(), hidden.numpy(), (area / side**2).numpy()


def patch_targets(
    scenes: Scenes, atlas: Atlas, device: str | torch.device = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the class to be seen, and the class to be inferred, in every patch.

    Returns
    -------
    front
        ``(B, 8, 8)`` int64: the class that covers most of the patch; -1 for background, -100
        where neither is clear or the thing has no name.
    hidden
        ``(B, 8, 8)`` int64: the class of a thing that lies in the patch behind another; -1
        where there is none.
    """
    device = torch.device(device)
    alone = masks(scenes, atlas, _MASK_SIDE, device)
    through = torch.cumprod(1 - alone.flip(1), dim=1).flip(1)
    ahead = torch.cat([through[:, 1:], torch.ones_like(through[:, :1])], dim=1)
    cell = _MASK_SIDE // GRID
    seen = F.avg_pool2d(alone * ahead, cell)
    behind = F.avg_pool2d(alone * (1 - ahead), cell)
    named = _on(scenes.classes(atlas), device)
    kinds = torch.where(named == UNLABELLED, UNSURE, named)[:, :, None, None].expand_as(seen)
    most, which = seen.max(dim=1)
    front = kinds.gather(1, which[:, None])[:, 0]
    front = torch.where(most >= _CLEARLY, front, UNSURE)
    front = torch.where(seen.sum(1) < _HARDLY, UNLABELLED, front)
    most, which = behind.max(dim=1)
    hidden = kinds.gather(1, which[:, None])[:, 0]
    return front, torch.where(most >= _CLEARLY, hidden, UNLABELLED)


def _on(values: NDArray[np.generic], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
