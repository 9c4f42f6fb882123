from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.vlm.lean.decoder import DecoderLayer
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.verify import require_verified, verify


def test_every_family_passes(vlm: VLM) -> None:
    assert [check.name for check in verify(vlm) if not check.passed] == []
    require_verified(vlm)


def test_a_model_that_looks_at_its_padding_fails(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = llava.model.get_submodule(llava.family.trunk)
    forward = trunk.forward

    def careless(**inputs: torch.Tensor) -> object:
        inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        return forward(**inputs)

    monkeypatch.setattr(trunk, "forward", careless)
    with pytest.raises(ModelError, match="padding side"):
        require_verified(llava)


def test_a_layer_that_depends_on_later_ones_fails(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = llava.layers[0]
    forward = first.forward
    calls: list[int] = []

    def drifting(*args: object, **options: object) -> torch.Tensor:
        calls.append(1)
        result: torch.Tensor = forward(*args, **options)
        return result * (1 + len(calls))

    monkeypatch.setattr(first, "forward", drifting)
    with pytest.raises(ModelError) as caught:
        require_verified(llava)
    assert any("cut off after layer 1" in problem.where for problem in caught.value.problems)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_passes_too(vlm: VLM, dtype: str) -> None:
    require_verified(open_vlm(vlm.name, device="cpu", dtype=dtype))


def test_activations_that_are_not_finite_fail(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    last = llava.layers[-1]
    forward = last.forward
    monkeypatch.setattr(last, "forward", lambda *a, **k: forward(*a, **k) * torch.inf)
    failed = [check.name for check in verify(llava) if not check.passed]
    assert "activations are finite" in failed


def test_a_model_without_mlp_neurons_says_so(llava: VLM) -> None:
    other = replace(llava, family=replace(llava.family, mlp_output="experts"))
    checks = {check.name: check for check in verify(other)}
    missing = checks.pop("the site mlp can be read")
    assert not missing.passed
    assert "experts" in missing.detail
    assert all(check.passed for check in checks.values())


def test_a_lean_last_layer_that_differs_fails(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    read_last = DecoderLayer.read_last

    def rough(self: DecoderLayer, *given: Any) -> Any:
        passed, pending = read_last(self, *given)
        return replace(passed, mlp=passed.mlp * 1.01), pending

    monkeypatch.setattr(DecoderLayer, "read_last", rough)
    failed = {check.name: check.detail for check in verify(vlm) if not check.passed}
    assert list(failed) == [
        f"computing layer {n} only where it is read does not move the states" for n in (1, 2, 4)
    ]
    assert all(float(detail.removeprefix("relative ")) > 1e-3 for detail in failed.values())


def test_a_family_without_a_lean_pass_has_nothing_to_compare(vlm: VLM) -> None:
    other = replace(vlm.truncated(4), family=replace(vlm.family, lean_tower=None))
    checks = verify(other)
    assert all(check.passed for check in checks)
    assert len(verify(vlm)) == len(checks) + 3


def test_heads_are_counted_in_their_own_width(vlm: VLM) -> None:
    heads = next(check for check in verify(vlm) if "heads" in check.name)
    assert heads.passed
    assert f"of 4 heads of {vlm.head_dim}" in heads.detail
