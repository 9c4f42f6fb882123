from __future__ import annotations

import pytest
import torch

from superneurons.errors import ModelError
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
