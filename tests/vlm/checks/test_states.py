from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from superneurons.vlm.checks.own_pass import made_up_records
from superneurons.vlm.checks.states import batch, finite, padding, pictures, readable, same, site
from superneurons.vlm.inputs import LastStates
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.taps import KINDS, Kind


@pytest.fixture
def inputs(vlm: VLM) -> Inputs:
    return vlm.encode(made_up_records())


def careless(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a model look at its padding."""
    trunk = vlm.model.get_submodule(vlm.family.trunk)
    forward = trunk.forward

    def seeing(**inputs: torch.Tensor) -> object:
        inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        return forward(**inputs)

    monkeypatch.setattr(trunk, "forward", seeing)


def test_a_sound_model_passes(vlm: VLM, inputs: Inputs) -> None:
    full, broken = readable(vlm, inputs)
    assert (list(full.parts), broken) == (list(KINDS), {})
    assert full.logits is not None
    records = made_up_records()
    checks = [
        finite(full),
        padding(vlm, vlm.encode(records, padding_side="left"), full),
        batch(vlm, [vlm.encode(records[:1]), vlm.encode(records[2:])], full),
        pictures(vlm, records[2]),
        *(site(vlm, inputs, full, kind) for kind in KINDS if kind != "residual"),
    ]
    assert [check.name for check in checks if not check.passed] == []


def test_a_kind_that_cannot_be_read_does_not_hide_the_others(vlm: VLM, inputs: Inputs) -> None:
    family = replace(vlm.family, mlp_output="mlp.experts", projector=("model.nowhere",))
    full, broken = readable(replace(vlm, family=family), inputs)
    assert list(full.parts) == ["residual", "heads", "vision"]
    assert set(broken) == {"mlp", "projector"}
    assert "mlp.experts" in broken["mlp"]


def test_a_kind_that_the_family_lacks_is_not_read(vlm: VLM, inputs: Inputs) -> None:
    family = replace(vlm.family, lacks=("mlp",), mlp_output="mlp.experts")
    full, broken = readable(replace(vlm, family=family), inputs)
    assert "mlp" not in full.parts
    assert broken == {}


def test_a_model_that_cannot_run_at_all_says_why(
    vlm: VLM, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("not this way")

    monkeypatch.setattr(vlm.layers[0], "forward", broken)
    with pytest.raises(RuntimeError, match="not this way"):
        readable(vlm, inputs)


@pytest.mark.parametrize("wrong", [torch.inf, torch.nan])
def test_activations_that_are_not_finite_fail(vlm: VLM, inputs: Inputs, wrong: float) -> None:
    full, _ = readable(vlm, inputs)
    assert finite(full).detail.startswith("largest ")
    heads = full.parts["heads"].clone()
    with torch.inference_mode():
        heads[1, 2, 3] = wrong
    found = finite(LastStates({**full.parts, "heads": heads}, None))
    assert (found.passed, found.detail) == (False, "not so: heads")


def test_a_model_that_looks_at_its_padding_fails(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    records = made_up_records()
    right, left = vlm.encode(records), vlm.encode(records, padding_side="left")
    careless(vlm, monkeypatch)
    full, _ = readable(vlm, right)
    found = padding(vlm, left, full)
    assert not found.passed
    assert "relative" in found.detail


def test_rows_that_are_another_records_fail(vlm: VLM, inputs: Inputs) -> None:
    full, _ = readable(vlm, inputs)
    records = made_up_records()
    alone = [vlm.encode(records[:1]), vlm.encode(records[2:])]
    turned = LastStates({"vision": full.parts["vision"].flip(0)}, None)
    assert not batch(vlm, alone, turned).passed
    assert batch(vlm, alone, LastStates({"vision": full.parts["vision"]}, None)).passed


def test_a_second_picture_that_is_not_seen_fails(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = VLM.encode

    def first_only(self: VLM, records: Any, *given: Any) -> Inputs:
        once = [replace(r, images=(r.images[0], r.images[0])) for r in records]
        return encode(self, once, *given)

    monkeypatch.setattr(VLM, "encode", first_only)
    found = pictures(vlm, made_up_records()[2])
    assert (found.passed, found.detail) == (False, "relative 0.0e+00")


@pytest.mark.parametrize("kind", ["mlp", "heads", "vision", "projector"])
def test_a_site_of_another_shape_than_announced_fails(vlm: VLM, inputs: Inputs, kind: Kind) -> None:
    full, _ = readable(vlm, inputs)
    found = site(vlm, inputs, full, kind)
    layers, width = vlm.shape(kind)
    assert found.passed
    assert found.detail.startswith(f"{layers} layers of ")
    narrow = LastStates({**full.parts, kind: full.parts[kind][..., :-1]}, None)
    found = site(vlm, inputs, narrow, kind)
    assert not found.passed
    assert f"read: {layers} of {width - 1}" in found.detail


def test_heads_are_counted_in_their_own_width(vlm: VLM, inputs: Inputs) -> None:
    full, _ = readable(vlm, inputs)
    assert f"of 4 heads of {vlm.head_dim}" in site(vlm, inputs, full, "heads").detail


def test_pictures_that_look_otherwise_without_a_decoder_fail(vlm: VLM, inputs: Inputs) -> None:
    full, _ = readable(vlm, inputs)
    other = LastStates({"vision": full.parts["vision"] * 1.01}, None)
    found = site(vlm, inputs, other, "vision")
    assert not found.passed
    assert "without a decoder relative" in found.detail


def test_the_worst_kind_is_the_one_named(llava: VLM) -> None:
    one, two = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    expected = LastStates({"residual": one, "mlp": two}, None)
    assert same("batch", llava, [(expected, expected)]).passed
    other = LastStates({"residual": one, "mlp": two * 1.001}, None)
    found = same("batch", llava, [(expected, expected), (expected, other)])
    assert not found.passed
    assert found.detail.endswith("(mlp)")
    half = replace(llava, model=copy.deepcopy(llava.model).bfloat16())
    assert same("batch", half, [(expected, other)]).passed
