from __future__ import annotations

import torch
from torch import nn

from superneurons.vlm.twin import with_child


def module() -> nn.Module:
    inner = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    return nn.ModuleDict({"inner": inner, "c": nn.Linear(2, 2)})


def test_only_what_is_on_the_way_is_another() -> None:
    whole, child = module(), nn.Identity()
    twin = with_child(whole, "inner.a", child)
    assert twin.get_submodule("inner.a") is child
    assert isinstance(whole.get_submodule("inner.a"), nn.Linear)
    assert twin is not whole
    assert twin.get_submodule("inner") is not whole.get_submodule("inner")
    for path in ("c", "inner.b"):
        assert twin.get_submodule(path) is whole.get_submodule(path)


def test_what_is_done_to_a_twin_is_not_done_to_the_other() -> None:
    whole = module()
    twin = with_child(whole, "c", nn.Identity())
    twin.register_buffer("mark", torch.zeros(1))
    twin.register_forward_hook(lambda *_: None)
    assert not dict(whole.named_buffers())
    assert not whole._forward_hooks
