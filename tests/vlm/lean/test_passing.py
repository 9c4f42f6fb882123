from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.lean.decoder import DecoderLayer
from superneurons.vlm.lean.opening import lean_of, why_not_lean
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM

KINDS = ["residual", "mlp", "heads"]
POSITIONS = ["last_prompt", "image_mean", "image_max"]


@pytest.fixture(scope="module")
def mixed(records: list[Record]) -> list[Record]:
    """Different lengths and sizes, and one record with two pictures."""
    longer = replace(records[1], question="Is it bright, or would you rather say that it is dark?")
    double = replace(records[2], images=records[2].images + records[3].images)
    wide = replace(records[4], images=(records[4].images[0].resize((40, 17)),))  # type: ignore[union-attr]
    return [records[0], longer, double, wide]


@pytest.fixture
def lean(vlm: VLM) -> Lean:
    found = lean_of(vlm)
    assert found is not None, why_not_lean(vlm)
    return found


@pytest.mark.parametrize("side", ["right", "left"])
@torch.inference_mode()
def test_every_part_at_every_position_is_the_plain_model_s(
    vlm: VLM, lean: Lean, mixed: list[Record], side: str
) -> None:
    inputs = vlm.encode(mixed, padding_side=side)
    reached = lean.advance(lean.start(inputs.tensors, KINDS, POSITIONS), vlm.n_layers)  # type: ignore[arg-type]
    plain = vlm.last_states(vlm.encode(mixed), KINDS, POSITIONS, logits=True)  # type: ignore[arg-type]
    for kind in KINDS:
        for position in POSITIONS:
            torch.testing.assert_close(
                reached.at(kind, position).float(),  # type: ignore[arg-type]
                plain.at(kind, position).float(),  # type: ignore[arg-type]
                atol=2e-4, rtol=2e-4,
            )  # fmt: skip
    torch.testing.assert_close(lean.logits(reached), plain.logits, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("depth", [1, 2, 4])
@torch.inference_mode()
def test_a_last_layer_computed_only_where_it_is_read_gives_the_same(
    vlm: VLM, lean: Lean, mixed: list[Record], depth: int
) -> None:
    start = lean.start(vlm.encode(mixed).tensors, KINDS)  # type: ignore[arg-type]
    whole, last = (lean.advance(start, depth, last=last) for last in (False, True))
    assert last.pending is not None
    assert whole.pending is None
    for kind in KINDS:
        torch.testing.assert_close(last.at(kind), whole.at(kind), atol=1e-5, rtol=1e-4)  # type: ignore[arg-type]


@torch.inference_mode()
def test_a_pass_goes_on_from_where_it_stopped_with_the_records_that_are_left(
    vlm: VLM, lean: Lean, mixed: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = vlm.encode(mixed)
    whole = lean.advance(lean.start(inputs.tensors), vlm.n_layers)
    ran: list[str] = []
    for name in ("whole", "completed", "read_last"):
        method = getattr(DecoderLayer, name)

        def counted(self: Any, *args: Any, _name: str = name, _method: Any = method) -> Any:
            ran.append(_name)
            return _method(self, *args)

        monkeypatch.setattr(DecoderLayer, name, counted)
    stopped = lean.advance(lean.start(inputs.tensors), 2, last=True)
    left = torch.tensor([False, True, False, True])
    further = lean.advance(stopped.rows(left), vlm.n_layers)
    assert ran == ["whole", "read_last", "completed", "whole", "whole"]
    torch.testing.assert_close(further.at(), whole.at()[left], atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(lean.logits(further), lean.logits(whole)[left], atol=2e-4, rtol=2e-4)


@torch.inference_mode()
def test_stopping_twice_at_a_layer_changes_nothing(
    vlm: VLM, lean: Lean, mixed: list[Record]
) -> None:
    stopped = lean.advance(lean.start(vlm.encode(mixed).tensors), 2, last=True)
    assert lean.advance(stopped, 2) is stopped


@torch.inference_mode()
def test_what_later_layers_need_is_not_computed_for_an_early_exit(
    vlm: VLM, lean: Lean, records: list[Record]
) -> None:
    tensors = vlm.encode(records[:2]).tensors
    assert lean.start(tensors, deepest=1).additions == ()
    whole = lean.start(tensors)
    assert len(whole.additions) == (2 if vlm.family.name == "Qwen3-VL" else 0)


@torch.inference_mode()
def test_bad_depths_and_early_logits_are_refused(
    vlm: VLM, lean: Lean, records: list[Record]
) -> None:
    reached = lean.advance(lean.start(vlm.encode(records[:1]).tensors), 2)
    for layer in (1, 5):
        with pytest.raises(ModelError, match=f"from layer 2 to layer {layer}"):
            lean.advance(reached, layer)
    with pytest.raises(ModelError, match="reached layer 2 gives no logits"):
        lean.logits(reached)


@torch.inference_mode()
def test_the_model_itself_stays_as_it_was(vlm: VLM, records: list[Record]) -> None:
    before = {name: value.clone() for name, value in vlm.model.state_dict().items()}
    lean = lean_of(vlm)
    assert lean is not None
    lean.advance(lean.start(vlm.encode(records[:2]).tensors), 1, last=True)
    assert all(torch.equal(vlm.model.state_dict()[name], value) for name, value in before.items())
