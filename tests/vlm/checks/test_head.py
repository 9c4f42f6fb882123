from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from superneurons.vlm.checks.head import logits, norm
from superneurons.vlm.checks.own_pass import OwnPass, made_up_records, own_pass
from superneurons.vlm.model import VLM, Inputs


@pytest.fixture
def inputs(vlm: VLM) -> list[Inputs]:
    return [vlm.encode([record]) for record in made_up_records()[::2]]


def passes(vlm: VLM, inputs: list[Inputs]) -> list[OwnPass]:
    return [own_pass(vlm, each) for each in inputs]


def scored(vlm: VLM, inputs: list[Inputs]) -> torch.Tensor:
    found = [vlm.last_states(each, logits=True).logits for each in inputs]
    return torch.cat(cast(list[torch.Tensor], found))


def test_a_sound_head_passes(vlm: VLM, inputs: list[Inputs]) -> None:
    own = passes(vlm, inputs)
    assert logits(vlm, scored(vlm, inputs), own).passed
    assert norm(vlm, own).passed


@pytest.mark.parametrize("change", [lambda x: x / 2, lambda x: 5 * (x / 5).tanh(), torch.flip])
def test_logits_that_are_scaled_capped_or_anothers_fail(
    vlm: VLM, inputs: list[Inputs], change: Any
) -> None:
    own, found = passes(vlm, inputs), scored(vlm, inputs)
    wrong = found.flip(0) if change is torch.flip else change(found)
    assert not logits(vlm, wrong, own).passed


def test_a_last_state_that_is_silently_normed_fails(
    vlm: VLM, inputs: list[Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    final = vlm.model.get_submodule(vlm.family.norm)
    with torch.no_grad():
        weight = cast(torch.Tensor, final.weight)
        kept = weight.clone()
        weight.fill_(1.0)  # so that norming twice is norming once: only the explicit check tells
    try:
        sound = passes(vlm, inputs)
        assert norm(vlm, sound).passed
        normed = [replace(each, left=final(each.left)) for each in sound]
        found = norm(vlm, normed)
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    assert not found.passed
    assert found.detail.startswith("relative ")


def test_another_norm_fails(vlm: VLM, inputs: list[Inputs]) -> None:
    other = replace(vlm, family=replace(vlm.family, norm_name="layers.1.input_layernorm"))
    assert not norm(other, passes(vlm, inputs)).passed


def test_a_norm_or_a_head_that_did_not_run_fails(vlm: VLM, inputs: list[Inputs]) -> None:
    own = passes(vlm, inputs)
    found = norm(vlm, [replace(each, to_norm=None) for each in own])
    assert (found.passed, found.detail) == (False, "the final norm did not run")
    found = norm(vlm, [replace(each, to_norm=None, to_head=None) for each in own])
    assert found.detail == "the final norm and the head did not run"
