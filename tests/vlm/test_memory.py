from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from superneurons.errors import ResourceError
from superneurons.vlm.memory import free_on, held_up_to, moved, weights_of
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm

GPU = torch.device("cuda")


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_an_exit_is_said_to_hold_what_opening_so_far_holds(
    vlm: VLM, model_path: Path, layer: int
) -> None:
    opened = open_vlm(str(model_path), device="cpu", depth=layer)
    assert held_up_to(vlm, layer) == weights_of(opened.model)


def test_at_the_last_layer_norm_and_head_are_still_not_needed(vlm: VLM) -> None:
    one_less, all_layers = held_up_to(vlm, vlm.n_layers - 1), held_up_to(vlm, vlm.n_layers)
    assert all_layers - one_less == weights_of(vlm.layers[-1])
    assert all_layers < weights_of(vlm.model)


def test_weights_used_twice_count_once() -> None:
    one = nn.Linear(4, 3)
    assert weights_of(nn.ModuleList([one, one])) == (12 + 3) * 4
    assert weights_of(one.half()) == (12 + 3) * 2


def test_only_of_a_cuda_device_is_it_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_on(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 4000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 200)
    assert free_on(GPU) == 1300  # what this process has put by can be taken, too


class Full(nn.Module):
    """A gigabyte that no device takes."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2**29, dtype=torch.float16, device="meta"))
        self.error = error

    def to(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1024.00 MiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GiB)"),
    ],
)
def test_too_little_memory_says_how_much_is_needed_and_free(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("superneurons.vlm.memory.free_on", lambda _: 2**28)
    with pytest.raises(ResourceError, match=r"take 1\.0 GiB; 0\.2 GiB were free") as caught:
        moved(Full(error), GPU, "big")
    assert "'big'" in str(caught.value)
    assert "depth=" in caught.value.mend
    monkeypatch.undo()
    with pytest.raises(ResourceError, match=r"take 1\.0 GiB\."):
        moved(Full(error), torch.device("cpu"), "big")


def test_other_failures_are_not_taken_for_too_little_memory(llava: VLM) -> None:
    with pytest.raises(RuntimeError, match="illegal"):
        moved(Full(RuntimeError("an illegal instruction")), torch.device("cpu"), "x")
    assert moved(llava.model, torch.device("cpu"), "x") is llava.model


@pytest.mark.parametrize("depth", [None, 1])
def test_a_model_that_the_device_does_not_take_is_refused_when_it_is_opened(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int | None
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(nn.Module, "to", full)
    with pytest.raises(ResourceError, match=r"doesn't fit into the memory of cpu") as caught:
        open_vlm(str(llava_path), device="cpu", depth=depth)
    assert "weights take" in str(caught.value)
