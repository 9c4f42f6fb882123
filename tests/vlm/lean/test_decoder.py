from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from superneurons.vlm.lean.decoder import DecoderLayer, rotate
from superneurons.vlm.lean.dense import UnknownPartError
from superneurons.vlm.model import VLM


@pytest.fixture
def layer(vlm: VLM) -> DecoderLayer:
    return DecoderLayer.of(vlm.layers[0])


@pytest.fixture
def batch(vlm: VLM, layer: DecoderLayer) -> tuple[torch.Tensor, Any, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 7, vlm.hidden_size, generator=generator)
    angles = torch.rand(3, 7, layer.width // 2, generator=generator).repeat(1, 1, 2) * 6
    return x, (angles.cos(), angles.sin()), torch.tensor([6, 3, 0])


@torch.inference_mode()
def test_a_layer_is_the_model_s_own(vlm: VLM, layer: DecoderLayer, batch: Any) -> None:
    x, rope, _ = batch
    mask = torch.full((7, 7), -torch.inf).triu(1)[None, None]
    own = vlm.layers[0](x, position_embeddings=rope, attention_mask=mask)
    own = own[0] if isinstance(own, tuple) else own
    torch.testing.assert_close(layer.whole(x, rope).residual, own, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_last_tokens_alone_are_those_of_the_whole_layer(
    layer: DecoderLayer, batch: Any
) -> None:
    x, rope, last = batch
    whole, (alone, pending) = layer.whole(x, rope), layer.read_last(x, rope, last)
    for name in ("heads", "mlp", "residual"):
        expected = getattr(whole, name)[torch.arange(3), last]
        torch.testing.assert_close(getattr(alone, name), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        layer.completed(x, pending, rope).residual, whole.residual, atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("kind", ["heads", "mlp", "residual"])
@torch.inference_mode()
def test_some_neurons_are_those_of_all(layer: DecoderLayer, batch: Any, kind: str) -> None:
    x, rope, last = batch
    columns = torch.tensor([5, 0, 31])
    expected = getattr(layer.read_last(x, rope, last)[0], kind)[:, columns]
    found = layer.neurons(x, rope, last, kind, columns)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_what_comes_after_a_row_s_last_token_plays_no_part(layer: DecoderLayer, batch: Any) -> None:
    x, rope, last = batch
    other = x.clone()
    other[1, 4:] = 100.0
    a, b = (layer.read_last(rows, rope, last)[0].residual for rows in (x, other))
    assert torch.equal(a, b)


def test_rotation_counted_in_complex_numbers() -> None:
    rng = np.random.default_rng(0)
    x, angle = rng.normal(size=(5, 8)), rng.normal(size=(5, 4))
    turned = (x[:, :4] + 1j * x[:, 4:]) * np.exp(1j * angle)
    both = np.concatenate([angle, angle], axis=1)
    found = rotate(torch.tensor(x), torch.tensor(np.cos(both)), torch.tensor(np.sin(both)))
    np.testing.assert_allclose(found, np.concatenate([turned.real, turned.imag], axis=1))


def test_layers_of_other_kinds_are_not_taken_for_known_ones() -> None:
    with pytest.raises(UnknownPartError, match="Linear"):
        DecoderLayer.of(nn.Linear(2, 2))
