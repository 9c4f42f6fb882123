from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from superneurons.errors import DataError, ModelError, ResourceError
from superneurons.task.images import open_image
from superneurons.vlm.checks.check import ONLY_THOROUGH, Check
from superneurons.vlm.checks.thorough import eight_records, thorough_checks
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.opening import open_vlm


def checked(vlm: VLM, **options: Any) -> dict[str, Check]:
    def reopen(depth: int) -> VLM:
        return open_vlm(vlm.name, device="cpu", depth=depth)

    made, left_out = thorough_checks(vlm, reopen, **options)
    assert left_out == {}
    return {check.name: check for check in made}


def failed(vlm: VLM, **options: Any) -> set[str]:
    return {name for name, check in checked(vlm, **options).items() if not check.passed}


def test_records_are_of_four_sizes_and_three_lengths() -> None:
    records = eight_records()
    assert len(records) == 8
    assert len({open_image(record.images[0]).size for record in records}) == 4
    assert len({len(record.question) for record in records}) == 3
    again = eight_records()[7].images[0]
    assert open_image(again).tobytes() == open_image(records[7].images[0]).tobytes()


def test_a_sound_model_passes(vlm: VLM) -> None:
    found = checked(vlm)
    assert tuple(found) == ONLY_THOROUGH
    assert all(check.passed for check in found.values())
    assert found["exit"].detail.startswith("lean: relative ")
    assert found["opening"].detail == "relative 0.0e+00 at layers 1, 2"


def test_exits_are_checked_the_way_that_is_asked_for(vlm: VLM) -> None:
    assert checked(vlm, acceleration="off")["exit"].detail.startswith("off: relative ")


def test_half_precision_passes_too(llava: VLM) -> None:
    half = open_vlm(llava.name, device="cpu", dtype="bfloat16")
    made, _ = thorough_checks(
        half, lambda depth: open_vlm(llava.name, device="cpu", dtype="bfloat16", depth=depth)
    )
    assert all(check.passed for check in made)


def test_kinds_that_are_known_not_to_work_are_left_alone(vlm: VLM) -> None:
    other = replace(vlm, family=replace(vlm.family, mlp_output="mlp.nonsense"))
    assert "batches" in failed(other)
    assert failed(other, without=["mlp"]) == set()


def test_one_long_record_that_moves_the_others_fails(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = vlm.model.get_submodule(vlm.family.trunk)
    forward = trunk.forward

    def careless(**inputs: torch.Tensor) -> object:
        inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        return forward(**inputs)

    monkeypatch.setattr(trunk, "forward", careless)
    assert "batches" in failed(vlm)


def test_a_model_that_refuses_padding_on_the_left_is_checked_without(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = VLM.encode

    def right_only(self: VLM, *given: Any, padding_side: str = "right") -> Inputs:
        if padding_side == "left":
            raise DataError("never on the left")
        return encode(self, *given, padding_side=padding_side)

    monkeypatch.setattr(VLM, "encode", right_only)
    found = checked(vlm)["batches"]
    assert found.passed
    assert found.detail.endswith("; not padded on the left: never on the left")


def test_an_early_exit_that_falls_back_has_failed(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    neurons = EarlyExit._neurons

    def rough(self: EarlyExit, *given: Any) -> torch.Tensor:
        return neurons(self, *given) * 1.1

    monkeypatch.setattr(EarlyExit, "_neurons", rough)
    found = checked(vlm)["exit"]
    assert not found.passed
    assert "differs from the plain model" in found.detail


def test_an_early_exit_that_drifts_after_its_first_batch_fails(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = EarlyExit._run

    def later(self: EarlyExit, inputs: Inputs) -> torch.Tensor:
        return run(self, inputs) * (1.1 if self._checked else 1)

    monkeypatch.setattr(EarlyExit, "_run", later)
    assert failed(vlm) == {"exit"}


def test_a_model_that_opens_as_another_fails(vlm: VLM) -> None:
    def other(depth: int) -> VLM:
        found = open_vlm(vlm.name, device="cpu", depth=depth)
        with torch.no_grad():
            for weight in found.layers[-1].parameters():
                weight.mul_(1.01)
        return found

    made, _ = thorough_checks(vlm, other)
    assert [check.name for check in made if not check.passed] == ["opening"]


def _raising(error: Exception, _depth: int) -> VLM:
    raise error


def test_a_model_that_cannot_be_opened_again_fails_and_says_why(llava: VLM) -> None:
    made, left_out = thorough_checks(llava, partial(_raising, ModelError("no such tensor")))
    assert made[-1] == Check("opening", False, "no such tensor")
    assert left_out == {}


def test_but_not_where_it_only_does_not_fit_beside_the_whole(llava: VLM) -> None:
    made, left_out = thorough_checks(llava, partial(_raising, ResourceError("7 GiB more")))
    assert [check.name for check in made] == ["batches", "exit"]
    assert left_out == {"opening": "7 GiB more"}
