from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


@pytest.fixture(scope="module")
def mixed(records: list[Record]) -> list[Record]:
    """Different lengths, and one record with two pictures."""
    longer = replace(records[1], question="Is it bright, or would you rather say that it is dark?")
    double = replace(records[2], images=records[2].images + records[3].images)
    return [records[0], longer, double]


def test_the_states_are_those_that_the_model_itself_reports(
    vlm: VLM, records: list[Record]
) -> None:
    inputs = vlm.encode(records[:1])
    reported = vlm.model(**inputs.tensors, output_hidden_states=True, use_cache=False)
    states = vlm.last_states(inputs, logits=True)
    for layer in range(1, vlm.n_layers):
        torch.testing.assert_close(
            states.residual[:, layer - 1], reported.hidden_states[layer][:, -1]
        )
    assert states.logits is not None
    torch.testing.assert_close(states.logits, reported.logits[:, -1])


def test_the_last_state_is_not_the_normed_one(vlm: VLM, records: list[Record]) -> None:
    inputs = vlm.encode(records[:1])
    reported = vlm.model(**inputs.tensors, output_hidden_states=True, use_cache=False)
    last = vlm.last_states(inputs).residual[:, -1]
    norm = vlm.model.get_submodule(vlm.family.decoder).norm
    torch.testing.assert_close(norm(last), reported.hidden_states[-1][:, -1])
    assert not torch.allclose(last, reported.hidden_states[-1][:, -1])


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations([0, 1, 2]), side=st.sampled_from(["left", "right"]))
def test_neither_order_nor_padding_nor_company_moves_a_record(
    vlm: VLM, mixed: list[Record], order: list[int], side: str
) -> None:
    alone = torch.cat([vlm.last_states(vlm.encode([record])).residual for record in mixed])
    together = vlm.encode([mixed[i] for i in order], padding_side=side)
    states = vlm.last_states(together).residual
    torch.testing.assert_close(states, alone[order], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_cut_model_leaves_what_the_whole_one_does(
    vlm: VLM, mixed: list[Record], depth: int
) -> None:
    whole = vlm.last_states(vlm.encode(mixed)).residual
    cut = vlm.truncated(depth)
    assert torch.equal(cut.last_states(cut.encode(mixed)).residual, whole[:, :depth])
    assert (cut.depth, cut.n_layers, vlm.depth) == (depth, 4, 4)


def test_only_the_whole_model_has_logits(vlm: VLM, records: list[Record]) -> None:
    cut = vlm.truncated(2)
    with pytest.raises(ModelError, match="layer 2 of 4 gives no logits"):
        cut.last_states(cut.encode(records[:1]), logits=True)


def test_no_hook_is_left_behind_even_after_a_failure(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = vlm.encode(records[:1])
    before = [len(layer._forward_hooks) for layer in vlm.layers]

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(vlm.layers[-1], "forward", fail)
    with pytest.raises(RuntimeError, match="out of luck"):
        vlm.last_states(inputs)
    assert [len(layer._forward_hooks) for layer in vlm.layers] == before


def test_copying_an_estimator_does_not_copy_a_model(vlm: VLM) -> None:
    assert copy.deepcopy(vlm) is vlm


def test_its_repr_is_short(vlm: VLM) -> None:
    assert "4 layers, first 2 kept" in repr(vlm.truncated(2))
    assert len(repr(vlm)) < 250
