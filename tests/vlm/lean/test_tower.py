from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from superneurons.vlm.lean.decoder import Rope
from superneurons.vlm.lean.dense import Beside, Dense, LayerNorm
from superneurons.vlm.lean.tower import Projection, TowerLayer

WIDTH, HEADS, PATCHES = 8, 2, 5


@pytest.fixture
def modules() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    sizes = {"q": (8, 8), "k": (8, 8), "v": (8, 8), "out": (8, 8), "up": (8, 12), "down": (12, 8)}
    found: dict[str, nn.Module] = {name: nn.Linear(*size) for name, size in sizes.items()}
    return found | {"first": nn.LayerNorm(WIDTH), "second": nn.LayerNorm(WIDTH)}


@pytest.fixture
def layer(modules: Any) -> TowerLayer:
    return TowerLayer(
        attention_norm=LayerNorm.of(modules["first"]),
        qkv=Beside.of(modules["q"], modules["k"], modules["v"]),
        out=Dense.of(modules["out"]),
        mlp_norm=LayerNorm.of(modules["second"]),
        up=Dense.of(modules["up"]),
        down=Dense.of(modules["down"]),
        act=torch.tanh,
        heads=HEADS,
    )


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, PATCHES, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def rope() -> Rope:
    angles = torch.rand(PATCHES, WIDTH // HEADS // 2, generator=torch.Generator().manual_seed(2))
    angles = angles.repeat(1, 2) * 6
    return angles.cos(), angles.sin()


def by_hand(modules: Any, picture: Any, rope: Rope | None) -> Any:
    """One picture, in numpy, head by head and patch by patch."""

    def run(name: str, value: Any) -> Any:
        return modules[name](torch.tensor(value, dtype=torch.float32)).detach().double().numpy()

    def turned(head: Any) -> Any:
        if rope is None:
            return head
        half = head.shape[1] // 2
        swapped = np.concatenate([-head[:, half:], head[:, :half]], axis=1)
        return head * rope[0].numpy() + swapped * rope[1].numpy()

    normed, found = run("first", picture), np.zeros_like(picture)
    q, k, v = (run(name, normed) for name in "qkv")
    for columns in (slice(0, 4), slice(4, 8)):
        queries, keys = turned(q[:, columns]), turned(k[:, columns])
        for place in range(PATCHES):
            shares = np.exp(keys @ queries[place] / 2)  # the root of a head's width
            found[place, columns] = shares / shares.sum() @ v[:, columns]
    picture = picture + run("out", found)
    return picture + run("down", np.tanh(run("up", run("second", picture))))


@pytest.mark.parametrize("turned", [False, True])
@torch.no_grad()
def test_a_layer_counted_by_hand(
    layer: TowerLayer, modules: Any, x: torch.Tensor, rope: Rope, turned: bool
) -> None:
    found = layer(x, rope if turned else None)
    for picture, expected in zip(x.double().numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(
            by_hand(modules, picture, rope if turned else None), expected, atol=1e-5
        )


@torch.no_grad()
def test_pictures_do_not_see_each_other(layer: TowerLayer, x: torch.Tensor) -> None:
    torch.testing.assert_close(layer(x)[1:2], layer(x[1:2]))
    other = torch.cat([x[:1] + 5, x[1:]])
    torch.testing.assert_close(layer(other)[1:], layer(x)[1:])


@torch.no_grad()
def test_without_positions_the_order_of_patches_is_no_matter(
    layer: TowerLayer, x: torch.Tensor, rope: Rope
) -> None:
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])
    assert not torch.allclose(layer(x[:, order], rope), layer(x, rope)[:, order], atol=1e-3)


@torch.no_grad()
def test_in_half_precision_it_is_the_same_but_for_rounding(
    layer: TowerLayer, modules: Any, x: torch.Tensor, rope: Rope
) -> None:
    expected = layer(x, rope)
    for module in modules.values():
        module.bfloat16()
    rounded = TowerLayer(
        LayerNorm.of(modules["first"]), Beside.of(modules["q"], modules["k"], modules["v"]),
        Dense.of(modules["out"]), LayerNorm.of(modules["second"]), Dense.of(modules["up"]),
        Dense.of(modules["down"]), torch.tanh, HEADS,
    )  # fmt: skip
    found = rounded(x.bfloat16(), rope)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)


@torch.no_grad()
def test_a_projection_is_two_maps_with_what_is_between_them(x: torch.Tensor) -> None:
    up, act, down = nn.Linear(8, 5), nn.GELU(), nn.Linear(5, 3)
    torch.testing.assert_close(Projection.of(up, down, act)(x), down(act(up(x))))
