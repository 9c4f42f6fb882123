from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import nn

from superneurons.task.images import open_image
from superneurons.vlm.checks import own_pass as module
from superneurons.vlm.checks.own_pass import Cut, cut_pass, made_up_records, own_pass, restarted
from superneurons.vlm.model import VLM, Inputs


@pytest.fixture
def inputs(vlm: VLM) -> Inputs:
    return vlm.encode([made_up_records()[2]])


def hooks(vlm: VLM) -> list[int]:
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in vlm.model.modules()]


def test_made_up_records_differ_in_pictures_sizes_and_lengths() -> None:
    one, two, both = made_up_records()
    sizes = [open_image(record.images[0]).size for record in (one, two)]
    assert sizes[0] != sizes[1]
    assert len(one.question) < len(two.question)
    assert [open_image(image).size for image in both.images] == sizes
    again = made_up_records()
    assert open_image(again[1].images[0]).tobytes() == open_image(two.images[0]).tobytes()


def test_it_watches_what_the_model_itself_reports(vlm: VLM, inputs: Inputs) -> None:
    before = hooks(vlm)
    found = own_pass(vlm, inputs)
    assert hooks(vlm) == before
    with torch.inference_mode():
        whole = cast(Any, vlm.model)(**inputs.tensors, use_cache=False, output_hidden_states=True)
    hidden = [state[:, -1] for state in whole.hidden_states]
    assert found.order == (1, 2, 3, 4)
    torch.testing.assert_close(found.given[:, 0], hidden[0])
    torch.testing.assert_close(found.left[:, 0], hidden[1])
    assert found.to_norm is not None
    assert found.to_head is not None
    assert torch.equal(found.to_norm, found.left[:, -1])
    torch.testing.assert_close(found.to_head, hidden[-1])  # the normed one
    assert found.logits is not None
    torch.testing.assert_close(found.logits, whole.logits[:, -1])


def _without_logits_to_keep(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = vlm.model.forward

    def older(*, use_cache: bool, **tensors: torch.Tensor) -> Any:
        return forward(**tensors, use_cache=use_cache)

    monkeypatch.setattr(vlm.model, "forward", older)


def test_a_model_that_gives_the_logits_of_every_token_is_asked_for_them(
    vlm: VLM, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = own_pass(vlm, inputs).logits
    assert expected is not None
    _without_logits_to_keep(vlm, monkeypatch)
    found = own_pass(vlm, inputs).logits
    assert found is not None
    torch.testing.assert_close(found, expected)


def test_but_not_where_they_are_too_many(
    vlm: VLM, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_logits_to_keep(vlm, monkeypatch)
    monkeypatch.setattr(module, "_LARGEST", 1000)
    found = own_pass(vlm, inputs)
    assert found.logits is None
    assert found.to_head is None
    assert found.order == (1, 2, 3, 4)
    assert restarted(vlm, cut_pass(vlm, 1, inputs), inputs) is None


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_from_the_state_of_a_cut_model_the_rest_gives_its_logits(
    vlm: VLM, inputs: Inputs, depth: int
) -> None:
    before = hooks(vlm)
    cut = cut_pass(vlm, depth, inputs)
    assert cut.residual.shape == (1, depth, vlm.hidden_size)
    torch.testing.assert_close(cut.state[:, -1], cut.residual[:, -1])
    found, expected = restarted(vlm, cut, inputs), own_pass(vlm, inputs).logits
    assert found is not None
    assert expected is not None
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert hooks(vlm) == before


def test_what_earlier_layers_do_does_not_reach_the_restart(
    vlm: VLM, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, expected = cut_pass(vlm, 2, inputs), own_pass(vlm, inputs).logits
    assert expected is not None
    for layer in vlm.layers[:2]:
        monkeypatch.setattr(layer, "forward", lambda hidden, *_, **__: hidden + 100)
    found = restarted(vlm, cut, inputs)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_another_state_gives_other_logits(vlm: VLM, inputs: Inputs) -> None:
    cut, expected = cut_pass(vlm, 2, inputs), own_pass(vlm, inputs).logits
    moved = cut.state + torch.randn(cut.state.shape)
    found = restarted(vlm, replace(cut, state=moved), inputs)
    assert found is not None
    assert expected is not None
    assert not torch.allclose(found, expected, atol=1e-3)


def test_layers_that_return_tuples_can_be_watched_and_restarted(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = llava.encode([made_up_records()[0]])
    expected = own_pass(llava, inputs)
    norm = llava.model.get_submodule(llava.family.norm)
    handles = [module.register_forward_pre_hook(_unwrapped) for module in (*llava.layers[1:], norm)]
    for layer in llava.layers:
        monkeypatch.setattr(layer, "forward", _as_tuple(layer))
    try:
        found = own_pass(llava, inputs)
        logits = restarted(llava, Cut(2, found.left[:, :2], cut_state(llava, inputs)), inputs)
    finally:
        for handle in handles:
            handle.remove()
    assert torch.equal(found.left, expected.left)
    assert expected.logits is not None
    assert logits is not None
    torch.testing.assert_close(logits, expected.logits)


def cut_state(vlm: VLM, inputs: Inputs) -> torch.Tensor:
    """What the second layer leaves at every token."""
    states: list[torch.Tensor] = []
    handle = vlm.layers[1].register_forward_hook(lambda *given: states.append(given[-1][0]))
    own_pass(vlm, inputs)
    handle.remove()
    return states[0]


def _unwrapped(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*args[0][:1], *args[1:]) if isinstance(args[0], tuple) else args


def _as_tuple(layer: nn.Module) -> Any:
    forward = layer.forward
    return lambda *args, **options: (forward(*args, **options), None)
