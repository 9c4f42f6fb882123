from __future__ import annotations

import pytest
import torch

from superneurons.task.record import Record
from superneurons.vlm.inputs import TEXT_INPUTS, Inputs, LastStates
from superneurons.vlm.model import VLM


def test_a_token_goes_after_the_last_of_each_row(vlm: VLM, records: list[Record]) -> None:
    longer = Record(records[0].images, records[0].question + " Or is it rather not?")
    inputs = vlm.encode([records[0], longer])
    followed = inputs.followed_by(torch.tensor([5, 6]))
    assert len(followed) == len(inputs) == 2
    assert followed.last.tolist() == [place + 1 for place in inputs.last.tolist()]
    ids, mask = followed.tensors["input_ids"], followed.tensors["attention_mask"]
    for row, token in enumerate((5, 6)):
        end = int(inputs.last[row]) + 1
        assert ids[row, end] == token
        assert torch.equal(ids[row, :end], inputs.tensors["input_ids"][row, :end])
        assert mask[row].tolist() == [1] * (end + 1) + [0] * (mask.shape[1] - end - 1)
    widths = {followed.tensors[name].shape[1] for name in TEXT_INPUTS if name in followed.tensors}
    assert widths == {inputs.tensors["input_ids"].shape[1] + 1}
    assert inputs.tensors["input_ids"].shape[1] == ids.shape[1] - 1


def test_the_pictures_stay_as_they_are() -> None:
    tensors = {
        "input_ids": torch.ones(1, 2, dtype=torch.long),
        "attention_mask": torch.ones(1, 2, dtype=torch.long),
        "pixel_values": torch.ones(1, 3, 2, 2),
    }
    followed = Inputs(tensors, torch.tensor([1]), (1,)).followed_by(torch.tensor([4]))
    assert followed.tensors["pixel_values"] is tensors["pixel_values"]
    assert followed.pictures == (1,)


def test_an_answer_is_of_the_type_that_the_family_gives_it() -> None:
    row = torch.ones(1, 2, dtype=torch.long)
    marked = {"input_ids": row, "attention_mask": row, "token_type_ids": row - 1}
    inputs = Inputs(marked, torch.tensor([1]), (1,))
    token = torch.tensor([4])
    assert inputs.followed_by(token, 1).tensors["token_type_ids"].tolist() == [[0, 0, 1]]
    assert inputs.followed_by(token).tensors["token_type_ids"].tolist() == [[0, 0, 0]]
    assert set(Inputs({"input_ids": row, "attention_mask": row}, inputs.last, (1,)).followed_by(
        token, 1
    ).tensors) == {"input_ids", "attention_mask"}  # fmt: skip


def test_states_are_found_by_kind_and_position() -> None:
    last, mean = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)
    states = LastStates({"residual": last}, None, {("residual", "image_mean"): mean})
    assert states.residual is states.at("residual") is last
    assert states.at("residual", "image_mean") is mean
    with pytest.raises(KeyError):
        states.at("heads", "image_mean")
