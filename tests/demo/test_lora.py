from __future__ import annotations

import copy

import torch
from lora import LowRankLinear, add_lora, lora_parameters, lora_state
from torch import nn

from superneurons.demo.model import merge_lora


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Sequential(nn.Linear(6, 5, bias=False), nn.GELU()), nn.Linear(5, 3))


def test_nothing_changes_at_first() -> None:
    plain, inputs = network(), torch.randn(4, 6)
    adapted = copy.deepcopy(plain)
    add_lora(adapted, rank=2, scale=2.0)
    assert torch.equal(adapted(inputs), plain(inputs))


def test_only_the_updates_learn() -> None:
    adapted = network()
    add_lora(adapted, rank=2, scale=2.0)
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    assert {id(p) for p in adapted.parameters() if p.requires_grad} == {
        id(p) for p in lora_parameters(adapted)
    }
    optimizer = torch.optim.SGD(lora_parameters(adapted), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(adapted(torch.randn(8, 6)).square().sum())
        optimizer.step()
    changed = {name for name, t in adapted.state_dict().items() if not torch.equal(t, before[name])}
    assert changed == set(lora_state(adapted))


def test_merging_gives_the_same_network() -> None:
    plain, inputs = network(), torch.randn(4, 6)
    adapted = copy.deepcopy(plain)
    add_lora(adapted, rank=2, scale=2.0)
    for parameter in lora_parameters(adapted):
        nn.init.normal_(parameter)
    assert isinstance(adapted[1], LowRankLinear)
    merged = copy.deepcopy(plain)
    merged.load_state_dict(merge_lora(plain.state_dict(), lora_state(adapted), scale=2.0))
    torch.testing.assert_close(merged(inputs), adapted(inputs))
    assert not torch.allclose(merged(inputs), plain(inputs))
