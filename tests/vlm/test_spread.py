from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pictures import bright_records
from pretended import AWAY, HOME, pretending
from superneurons.errors import ResourceError
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm import memory, spread
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.memory import weights_of
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.verify import verify

RECORDS = bright_records(4)


def laid(path: Path, depth: int | None = None) -> VLM:
    """A model on two devices; within ``pretending()``."""
    vlm = open_vlm(str(path), device="cpu", depth=depth, verify=False)
    spread.spread(vlm.model, vlm.family, [HOME, AWAY], vlm.name)
    return vlm


def numbers(tensor: torch.Tensor) -> torch.Tensor:
    assert tensor.device == HOME
    return tensor


@pytest.mark.parametrize("depth", [None, 2])
def test_it_runs_where_it_lies_and_gives_the_same(llava_path: Path, depth: int | None) -> None:
    one = open_vlm(str(llava_path), device="cpu", depth=depth, verify=False)
    kinds, positions = ("residual", "mlp", "heads", "vision"), ("last_prompt", "image_max")
    expected = one.last_states(one.encode(RECORDS), kinds, positions)  # type: ignore[arg-type]
    with pretending():
        vlm = laid(llava_path, depth)
        assert vlm.devices == (HOME, AWAY)
        assert vlm.device_name == "cpu, cpu:1"
        found = vlm.last_states(vlm.encode(RECORDS), kinds, positions)  # type: ignore[arg-type]
    for kind in kinds:
        assert torch.equal(numbers(found.parts[kind]), expected.parts[kind])  # type: ignore[index]
    for place, states in expected.over_image.items():
        assert torch.equal(numbers(found.over_image[place]), states)


def test_every_check_holds_for_it(llava_path: Path) -> None:
    with pretending():
        findings = verify(laid(llava_path))
    assert {check.name: check.detail for check in findings if not check.passed} == {}


def test_a_tensor_on_the_wrong_device_would_be_noticed(llava_path: Path) -> None:
    with pretending():
        vlm = laid(llava_path)
        vlm.layers[-1]._forward_pre_hooks.clear()
        vlm.layers[-1]._forward_pre_hooks_with_kwargs.clear()
        with pytest.raises(RuntimeError, match=r"tensors on cpu, cpu:1|tensors on cpu:1, cpu"):
            vlm.last_states(vlm.encode(RECORDS))


def test_cut_off_it_runs_its_own_layers_only(llava_path: Path) -> None:
    with pretending():
        vlm = laid(llava_path)
        ran: list[int] = []
        for number, layer in enumerate(vlm.layers):
            layer.register_forward_hook(lambda *_, number=number: ran.append(number))
        inputs = vlm.encode(RECORDS)
        whole = numbers(vlm.last_states(inputs).residual)
        ran.clear()
        cut = numbers(vlm.truncated(vlm.n_layers - 1).last_states(inputs).residual)
    assert ran == list(range(vlm.n_layers - 1))
    assert torch.equal(cut, whole[:, :-1])


def test_it_is_left_early_the_plain_way(llava_path: Path) -> None:
    one = open_vlm(str(llava_path), device="cpu", verify=False)
    expected = EarlyExit(one, [1, 3], [0, 5], acceleration="off")(one.encode(RECORDS))
    with pretending():
        vlm = laid(llava_path)
        leave = EarlyExit(vlm, [1, 3], [0, 5])
        found = numbers(leave(vlm.encode(RECORDS)))
    assert (leave.path, leave.reason) == ("off", "the model is spread over several devices")
    assert torch.equal(found, expected)


def test_it_is_fitted_and_answers_alike(llava_path: Path, tmp_path: Path) -> None:
    one = open_vlm(str(llava_path), device="cpu", verify=False)
    options: dict[str, Any] = {"max_layer": 3, "acceleration": "off"}
    alone = SuperNeuronClassifier(one, **options).fit(bright_records(24))
    steps = Cascade(one, layers=[1, 3]).fit(bright_records(24))
    with pretending():
        vlm = laid(llava_path)
        both = SuperNeuronClassifier(vlm, **options).fit(bright_records(24))
        assert both.predict_proba(RECORDS).tolist() == alone.predict_proba(RECORDS).tolist()
        found = Cascade(vlm, layers=[1, 3]).fit(bright_records(24))
        np.testing.assert_allclose(
            found.predict_proba(RECORDS), steps.predict_proba(RECORDS), atol=1e-4
        )  # that one goes on by the lean pass
        both.save_pretrained(tmp_path / "both")
    alone.save_pretrained(tmp_path / "alone")
    for name in ("classifier.safetensors", "config.json"):
        assert (tmp_path / "both" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_it_writes_what_one_device_writes(llava_path: Path) -> None:
    one = open_vlm(str(llava_path), device="cpu", verify=False)

    def written(vlm: VLM) -> torch.Tensor:
        inputs = vlm.encode(RECORDS, padding_side="left").tensors
        made: torch.Tensor = vlm.model.generate(**inputs, max_new_tokens=3, do_sample=False)  # type: ignore[operator]
        return made

    with pretending():
        found = numbers(written(laid(llava_path)))
    assert torch.equal(found, written(one))


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(0, 9),
    st.lists(st.integers(1, 9), min_size=2, max_size=3),
)
def test_the_fullest_device_is_as_empty_as_it_can_be(
    sizes: list[int], first: int, room: list[int]
) -> None:
    def fullest(places: tuple[int, ...]) -> float:
        held = [float(first)] + [0.0] * (len(room) - 1)
        for size, place in zip(sizes, places, strict=True):
            held[place] += size
        return max(h / r for h, r in zip(held, room, strict=True))

    found = spread.places_of(sizes, first, room)
    assert found == sorted(found)
    every = product(range(len(room)), repeat=len(sizes))
    best = min(fullest(places) for places in every if list(places) == sorted(places))
    assert fullest(tuple(found)) == pytest.approx(best)


def test_more_lies_where_more_is_free(llava_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(free: tuple[int | None, int | None]) -> int:
        known = {HOME: free[0], AWAY: free[1]}
        monkeypatch.setattr(spread, "free_on", known.__getitem__)
        with pretending():
            layers = laid(llava_path).layers
            return sum(next(layer.parameters()).device == AWAY for layer in layers)

    deep = len(open_vlm(str(llava_path), device="cpu", verify=False).layers)
    assert away((2**30, 2**33)) == deep
    assert away((2**33, 2**20)) == 0
    assert away((None, 2**33)) == away((None, None)) == away((2**33, 2**33))


@pytest.mark.parametrize(("free", "said"), [(2**28, r"; 0\.5 GiB were free"), (None, r"GiB\.")])
def test_too_little_room_says_what_the_whole_model_takes(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, said: str
) -> None:
    vlm = open_vlm(str(llava_path), device="cpu", verify=False)
    to, taken = nn.Module.to, []

    def full(module: nn.Module, device: Any) -> nn.Module:
        taken.append(module)
        if len(taken) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return to(module, device)

    monkeypatch.setattr(nn.Module, "to", full)
    monkeypatch.setattr(spread, "free_on", lambda _: free)
    monkeypatch.setattr(memory, "_GIB", weights_of(vlm.model) / 7.0 if free is None else 2**30)
    with pytest.raises(ResourceError, match=rf"memory of cpu, cpu: .*{said}") as caught:
        spread.spread(vlm.model, vlm.family, [HOME, HOME], "big")
    assert free is not None or "take 7.0 GiB" in str(caught.value)
    assert "cuda:0,cuda:1" in caught.value.mend
