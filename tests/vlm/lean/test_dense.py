from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from superneurons.vlm.lean import dense as module
from superneurons.vlm.lean.dense import Beside, Dense, LayerNorm, RMSNorm, UnknownPartError


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0)) * 3 + 1


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_a_linear_layer_is_shared_not_copied(x: torch.Tensor, bias: bool) -> None:
    linear = nn.Linear(6, 4, bias=bias)
    dense = Dense.of(linear)
    assert torch.equal(dense(x), linear(x))
    linear.weight.mul_(2)
    assert torch.equal(dense(x), linear(x))


@torch.no_grad()
def test_some_outputs_are_those_of_all(x: torch.Tensor) -> None:
    for dense in (Dense.of(nn.Linear(6, 4)), Dense.of(nn.Linear(6, 4, bias=False))):
        whole, rows = dense(x), dense.rows(slice(1, 3))
        torch.testing.assert_close(rows(x), whole[..., 1:3])
        assert rows.weight.data_ptr() == dense.weight[1:].data_ptr()
        torch.testing.assert_close(dense.some(x, torch.tensor([3, 0])), whole[..., [3, 0]])


class Adapted(nn.Linear):
    """What a fine-tuning library puts in a linear layer's place."""


@pytest.mark.parametrize("part", [Adapted(6, 4), nn.Conv1d(6, 4, 1), nn.Identity()])
def test_what_is_no_plain_linear_layer_is_refused_by_name(part: nn.Module) -> None:
    with pytest.raises(UnknownPartError, match=type(part).__name__):
        Dense.of(part)


def test_whole_numbers_are_no_weights() -> None:
    linear = nn.Linear(6, 4)
    linear.weight = nn.Parameter(linear.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(UnknownPartError, match="Linear"):
        Dense.of(linear)


@torch.no_grad()
def test_maps_beside_each_other_give_what_each_gives(x: torch.Tensor) -> None:
    linears = [nn.Linear(6, size) for size in (4, 2, 5)]
    before = [linear.weight.clone() for linear in linears]
    for found, linear in zip(Beside.of(*linears)(x), linears, strict=True):
        torch.testing.assert_close(found, linear(x))
    assert all(torch.equal(a.weight, b) for a, b in zip(linears, before, strict=True))


@torch.no_grad()
def test_one_layer_that_is_several_maps_is_taken_apart(x: torch.Tensor) -> None:
    linear = nn.Linear(6, 9)
    beside = Beside.split(linear, 3)
    assert torch.equal(torch.cat(beside(x), dim=-1), linear(x))
    for number, part in enumerate(beside.parts):
        torch.testing.assert_close(part(x), linear(x)[..., 3 * number : 3 * number + 3])


@torch.no_grad()
def test_packed_maps_give_what_their_parts_give(x: torch.Tensor) -> None:
    parts = tuple(Dense.of(nn.Linear(6, size)) for size in (4, 2))
    biases = [part.bias for part in parts if part.bias is not None]
    packed = Dense(torch.cat([part.weight for part in parts]), torch.cat(biases))
    for a, b in zip(Beside(parts, packed)(x), Beside(parts)(x), strict=True):
        torch.testing.assert_close(a, b)


def test_tensors_that_lie_side_by_side_are_joined_without_a_copy() -> None:
    whole = torch.randn(6, 4)
    pieces = [whole[:1], whole[1:4], whole[4:]]
    joined = module._side_by_side(pieces)
    assert torch.equal(joined, whole)
    assert joined.data_ptr() == whole.data_ptr()
    assert torch.equal(module._side_by_side(list(whole[:, 0].split(2))), whole[:, 0])


@pytest.mark.parametrize("apart", ["order", "gap", "strides", "storage"])
def test_tensors_that_lie_elsewhere_are_joined_all_the_same(apart: str) -> None:
    whole = torch.randn(6, 4)
    pieces = {
        "order": [whole[3:], whole[:3]],
        "gap": [whole[:2], whole[3:]],
        "strides": [whole[:3, ::2], whole[3:, ::2]],
        "storage": [whole[:3], whole[3:].clone()],
    }[apart]
    assert torch.equal(module._side_by_side(pieces), torch.cat(pieces))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@torch.no_grad()
def test_on_a_gpu_layers_are_moved_beside_each_other_and_stay_what_they_were() -> None:
    linears = [nn.Linear(16, size, device="cuda") for size in (32, 8)]
    before = [(linear.weight.clone(), linear.bias.clone()) for linear in linears]
    x = torch.randn(3, 16, device="cuda")
    expected = [linear(x) for linear in linears]
    beside = Beside.of(*linears)
    assert beside.packed is not None
    assert linears[1].weight.data_ptr() == beside.packed.weight[32:].data_ptr()
    for linear, (weight, bias) in zip(linears, before, strict=True):
        assert torch.equal(linear.weight, weight)
        assert torch.equal(linear.bias, bias)
    for a, b in zip(beside(x), expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)
    again = Beside.of(*linears)
    assert again.packed is not None
    assert again.packed.weight.data_ptr() == beside.packed.weight.data_ptr()


@torch.no_grad()
def test_norms_are_the_modules_own(x: torch.Tensor) -> None:
    layer_norm, rms_norm = nn.LayerNorm(6, eps=0.1), LlamaRMSNorm(6, eps=0.2)
    for norm in (layer_norm, rms_norm):
        for number, parameter in enumerate(norm.parameters()):
            parameter.copy_(torch.linspace(-1, 2, 6) + number)
    torch.testing.assert_close(LayerNorm.of(layer_norm)(x), layer_norm(x))
    torch.testing.assert_close(RMSNorm.of(rms_norm)(x), rms_norm(x))
    assert not torch.allclose(RMSNorm.of(rms_norm)(x), LayerNorm.of(layer_norm)(x))
