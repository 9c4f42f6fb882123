from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from superneurons.vlm.checks.layers import between, cut_off, depths_of, layers, restart
from superneurons.vlm.checks.own_pass import Cut, OwnPass, cut_pass, made_up_records, own_pass
from superneurons.vlm.model import VLM, Inputs


@pytest.fixture
def inputs(vlm: VLM) -> list[Inputs]:
    return [vlm.encode([record]) for record in made_up_records()[::2]]


def cuts(vlm: VLM, inputs: Sequence[Inputs]) -> list[list[Cut]]:
    return [[cut_pass(vlm, depth, each) for depth in depths_of(vlm)] for each in inputs]


def passes(vlm: VLM, inputs: Sequence[Inputs]) -> list[OwnPass]:
    return [own_pass(vlm, each) for each in inputs]


def test_a_sound_model_passes(vlm: VLM, inputs: list[Inputs]) -> None:
    own, cut = passes(vlm, inputs), cuts(vlm, inputs)
    found = layers(vlm, own), between(own), cut_off(vlm, cut, own), restart(vlm, inputs, cut, own)
    assert all(check.passed for check in found)
    assert [check.name for check in found] == ["layers", "between", "cut-off", "restart"]
    assert found[0].detail == "4 found, 4 by config.json"
    assert found[2].detail == "relative 0.0e+00 at layers 1, 2"


@pytest.mark.parametrize("order", [(1, 2, 3), (2, 1, 3, 4), (1, 2, 2, 3, 4), ()])
def test_layers_that_run_in_another_order_or_not_fail(
    vlm: VLM, inputs: list[Inputs], order: tuple[int, ...]
) -> None:
    one, two = passes(vlm, inputs)
    found = layers(vlm, [one, replace(two, order=order)])
    assert not found.passed
    assert (", ".join(map(str, order)) or "none") in found.detail


def test_more_layers_than_configured_fail(
    vlm: VLM, inputs: list[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = passes(vlm, inputs)
    config: Any = vlm.model.config
    monkeypatch.setattr(config.get_text_config(), "num_hidden_layers", 3)
    found = layers(vlm, own)
    assert (found.passed, found.detail) == (False, "4 found, 3 by config.json")


def test_a_layer_run_twice_is_noticed(
    llava: VLM, inputs: list[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = llava.encode([made_up_records()[0]])
    doubled = [llava.layers[0], *llava.layers]
    trunk = llava.model.get_submodule(llava.family.decoder)
    monkeypatch.setitem(trunk._modules, "layers", torch.nn.ModuleList(doubled))
    config: Any = llava.model.config
    monkeypatch.setattr(config.get_text_config(), "num_hidden_layers", 5)
    assert "ran: " in layers(llava, [own_pass(llava, given)]).detail


def test_something_between_two_layers_fails(
    vlm: VLM, inputs: list[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = vlm.layers[1]
    handle = second.register_forward_pre_hook(
        lambda _m, args, options: (
            tuple(a * 1.001 for a in args[:1]) + args[1:],
            {k: v * 1.001 if k == "hidden_states" else v for k, v in options.items()},
        ),
        with_kwargs=True,
    )
    try:
        found = between(passes(vlm, inputs))
    finally:
        handle.remove()
    assert (found.passed, found.detail) == (False, "changed after layer 1")


def test_something_between_the_last_layer_and_the_norm_fails(
    vlm: VLM, inputs: list[Inputs]
) -> None:
    one, two = passes(vlm, inputs)
    assert one.to_norm is not None
    for other in (one.to_norm + 1e-4, None):
        found = between([two, replace(one, to_norm=other)])
        assert (found.passed, found.detail) == (False, "changed after layer 4")


def test_a_cut_model_that_is_off_by_a_millionth_fails(vlm: VLM, inputs: list[Inputs]) -> None:
    own, cut = passes(vlm, inputs), cuts(vlm, inputs)
    cut[1][1] = replace(cut[1][1], residual=cut[1][1].residual * (1 + 1e-5))
    found = cut_off(vlm, cut, own)
    assert not found.passed
    assert found.detail.startswith("relative ")


def test_a_layer_that_reads_more_than_the_state_fails_to_restart(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [llava.encode([made_up_records()[0]])]
    kept: list[torch.Tensor] = []
    first, last = llava.layers[0], llava.layers[-1]
    ahead, behind = first.forward, last.forward

    def keeping(hidden: torch.Tensor, *args: Any, **options: Any) -> Any:
        kept[:] = [hidden]
        return ahead(hidden, *args, **options)

    def peeking(hidden: torch.Tensor, *args: Any, **options: Any) -> Any:
        return behind(hidden + kept[0], *args, **options)

    monkeypatch.setattr(first, "forward", keeping)
    monkeypatch.setattr(last, "forward", peeking)
    own, cut = passes(llava, inputs), cuts(llava, inputs)
    assert cut_off(llava, cut, own).passed
    assert not restart(llava, inputs, cut, own).passed
