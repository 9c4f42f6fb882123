from __future__ import annotations

import pytest
import torch

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.answer import generate_answers
from superneurons.vlm.model import VLM
from superneurons.vlm.truncate import truncate


def test_weights_are_shared_not_copied(vlm: VLM) -> None:
    cut = truncate(vlm.model, vlm.family, 2)
    whole = dict(vlm.model.named_parameters())
    for name, parameter in cut.named_parameters():
        assert parameter.data_ptr() == whole[name].data_ptr()
    assert len(dict(cut.named_parameters())) < len(whole)


def test_the_model_given_stays_whole(vlm: VLM) -> None:
    before = [id(layer) for layer in vlm.layers]
    truncate(vlm.model, vlm.family, 1)
    assert [id(layer) for layer in vlm.layers] == before


def test_cutting_again_is_cutting_once(vlm: VLM) -> None:
    twice = truncate(truncate(vlm.model, vlm.family, 3), vlm.family, 1)
    assert len(twice.get_submodule(vlm.family.layers)) == 1


@pytest.mark.parametrize("depth", [0, 5, -1])
def test_a_layer_that_is_not_there_is_refused(vlm: VLM, depth: int) -> None:
    with pytest.raises(ModelError, match="4 decoder layers") as caught:
        truncate(vlm.model, vlm.family, depth)
    assert "1 to 4" in str(caught.value)


def test_the_cut_model_forgets_its_own_changes(vlm: VLM) -> None:
    cut = truncate(vlm.model, vlm.family, 1)
    cut.register_buffer("mark", torch.zeros(1))
    assert "mark" not in dict(vlm.model.named_buffers(recurse=False))


def test_the_whole_model_answers_as_before_it_was_cut_and_run(
    vlm: VLM, records: list[Record]
) -> None:
    def answers() -> tuple[torch.Tensor, list[str]]:
        logits = vlm.last_states(vlm.encode(records[:2]), logits=True).logits
        assert logits is not None
        inputs = vlm.encode(records[:2], padding_side="left")
        return logits, generate_answers(vlm, inputs, max_new_tokens=6)

    logits, texts = answers()
    for depth in (1, 3):
        cut = vlm.truncated(depth)
        cut.last_states(cut.encode(records[:3]))
    after, texts_after = answers()
    assert torch.equal(after, logits)
    assert texts_after == texts


@pytest.mark.parametrize("depth", [1, 2])
def test_a_change_of_a_kept_weight_is_seen_by_both(
    vlm: VLM, records: list[Record], depth: int
) -> None:
    cut = vlm.truncated(depth)
    inputs = vlm.encode(records[:1])
    before = cut.last_states(inputs).residual
    weight = vlm.layers[0].mlp.down_proj.weight
    weight.data.mul_(2)
    try:
        changed = cut.last_states(inputs).residual
        assert not torch.equal(changed, before)
        assert torch.equal(changed, vlm.last_states(inputs).residual[:, :depth])
    finally:
        weight.data.div_(2)
    assert torch.equal(cut.last_states(inputs).residual, before)


def test_hooks_on_a_cut_model_stay_off_the_whole_one(vlm: VLM, records: list[Record]) -> None:
    seen: list[int] = []
    cut = vlm.truncated(2)
    decoder = cut.model.get_submodule(vlm.family.decoder)
    handle = decoder.register_forward_hook(lambda *_: seen.append(1))
    vlm.last_states(vlm.encode(records[:1]))
    assert seen == []
    cut.last_states(cut.encode(records[:1]))
    assert seen == [1]
    handle.remove()
