from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from devices import DEVICES
from superneurons.errors import DataError, ModelError, ResourceError, VerificationError
from superneurons.vlm.checks.check import MEANINGS, ONLY_THOROUGH
from superneurons.vlm.lean.decoder import DecoderLayer
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.verify import examine, require_verified, verify


def failed(vlm: VLM) -> set[str]:
    return {check.name for check in examine(vlm).failed}


def test_every_family_passes_every_check(vlm: VLM) -> None:
    found = examine(vlm)
    assert [check.name for check in found.checks] == [n for n in MEANINGS if n not in ONLY_THOROUGH]
    assert (found.failed, found.left_out) == ((), {})
    assert require_verified(vlm) == found
    assert verify(vlm) == list(found.checks)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_dtype_passes_on_every_device(vlm: VLM, dtype: str, device: str) -> None:
    require_verified(open_vlm(vlm.name, device=device, dtype=dtype))


def test_a_model_that_was_cut_off_cannot_be_verified(vlm: VLM) -> None:
    with pytest.raises(ModelError, match="cut off after layer 2"):
        examine(vlm.truncated(2))


def test_the_message_names_what_failed_what_it_means_and_how_to_go_on(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = llava.model.get_submodule(llava.family.trunk)
    forward = trunk.forward

    def careless(**inputs: torch.Tensor) -> object:
        inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        return forward(**inputs)

    monkeypatch.setattr(trunk, "forward", careless)
    with pytest.raises(VerificationError) as caught:
        require_verified(llava)
    (problem,) = (p for p in caught.value.problems if p.where == "padding")
    assert "relative" in problem.what
    assert MEANINGS["padding"].mend in problem.what
    assert "verify=False" in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        ({"mlp_output": "mlp.nonsense"}, "site mlp"),
        ({"heads_output": "self_attn.nonsense"}, "site heads"),
        ({"heads_output": "self_attn.q_norm"}, "site heads"),
        ({"projector": ("model.nonsense",)}, "site projector"),
        ({"vision": ("model.nonsense",)}, "run"),
        ({"decoder": "model.nonsense"}, "run"),
        ({"norm_name": "nonsense"}, "run"),
        ({"trunk": "nonsense"}, "run"),
        ({"picture_mark": "<nonsense>"}, "run"),
        ({"tower_width": "nonsense"}, "site vision"),
        ({"tower_width": "intermediate_size"}, "site vision"),
    ],
)
def test_a_family_with_broken_names_is_refused_by_the_name_of_a_check(
    vlm: VLM, broken: dict[str, Any], check: str
) -> None:
    other = replace(vlm, model=_twin(vlm), family=replace(vlm.family, lean_tower=None, **broken))
    with pytest.raises(VerificationError) as caught:
        require_verified(other)
    assert check in {problem.where for problem in caught.value.problems}
    assert f"  {check}: " in str(caught.value)
    assert ".." not in str(caught.value)


def _twin(vlm: VLM) -> nn.Module:
    """The same model, as one that no lean pass was made for."""
    return copy.copy(vlm.model)


def test_without_a_pass_nothing_else_is_checked(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Inputs:
        raise ValueError("no tokens")

    monkeypatch.setattr(VLM, "encode", refuse)
    found = examine(vlm)
    assert [(c.name, c.passed, c.detail) for c in found.checks] == [
        ("run", False, "ValueError: no tokens")
    ]
    assert set(found.left_out) == set(MEANINGS) - {"run", *ONLY_THOROUGH}


def test_with_other_layers_than_described_nothing_else_is_checked(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = vlm.model.config.get_text_config()  # type: ignore[operator, union-attr]
    monkeypatch.setattr(config, "num_hidden_layers", 5)
    found = examine(vlm)
    assert [check.name for check in found.checks] == ["run", "layers"]
    assert found.checks[1].detail == "4 found, 5 by config.json"
    assert "cut-off" in found.left_out


def test_what_does_not_apply_is_left_out_with_the_reason(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = replace(vlm.family, lacks=("mlp",), lean_tower=None)
    encode = VLM.encode

    def right_only(self: VLM, *given: Any, padding_side: str = "right") -> Inputs:
        if padding_side == "left":
            raise DataError("never on the left")
        return encode(self, *given, padding_side=padding_side)

    monkeypatch.setattr(VLM, "encode", right_only)
    found = examine(replace(vlm, model=_twin(vlm), family=family))
    assert found.failed == ()
    assert found.left_out == {
        "site mlp": "the family has no such site",
        "padding": "never on the left",
        "lean": f"no lean pass is written for the family {vlm.family.name}",
    }
    made = {check.name for check in found.checks}
    assert made == set(MEANINGS) - {*found.left_out, *ONLY_THOROUGH}


def test_too_little_memory_is_no_failed_check(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("12 GiB more")

    monkeypatch.setattr(vlm.layers[-1], "forward", full)
    with pytest.raises(ResourceError, match="12 GiB more") as caught:
        examine(vlm)
    assert "verify=False" in str(caught.value)


def test_a_layer_that_depends_on_how_often_it_ran_fails(
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
    assert failed(llava) >= {"cut-off", "padding", "batch", "lean"}


def test_a_lean_last_layer_that_differs_fails(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    read_last = DecoderLayer.read_last

    def rough(self: DecoderLayer, *given: Any) -> Any:
        passed, pending = read_last(self, *given)
        return replace(passed, mlp=passed.mlp * 1.01), pending

    monkeypatch.setattr(DecoderLayer, "read_last", rough)
    assert failed(vlm) == {"lean"}
