from __future__ import annotations

from typing import Any, cast

import torch

from superneurons.task.record import Record
from superneurons.vlm.head import Head
from superneurons.vlm.model import VLM


@torch.inference_mode()
def states_and_logits(vlm: VLM, records: list[Record]) -> tuple[torch.Tensor, torch.Tensor]:
    """The last, normed states, and the logits that the model itself gives for them."""
    tensors = vlm.encode(records, padding_side="left").tensors
    model = cast(Any, vlm.model)
    states = model.model(**tensors, use_cache=False).last_hidden_state[:, -1]
    return states, model(**tensors, use_cache=False).logits[:, -1]


def test_logits_are_those_of_the_models_own_forward_pass(vlm: VLM, records: list[Record]) -> None:
    states, expected = states_and_logits(vlm, records[:3])
    with torch.inference_mode():
        found = Head(vlm.model, vlm.family)(states)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_some_tokens_have_the_logits_that_they_have_among_all(
    vlm: VLM, records: list[Record]
) -> None:
    states, expected = states_and_logits(vlm, records[:3])
    with torch.inference_mode():
        found = Head(vlm.model, vlm.family, [7, 3, 11])(states)
    torch.testing.assert_close(found, expected[:, [7, 3, 11]])


def test_what_a_model_does_to_its_logits_is_done(llava: VLM, records: list[Record]) -> None:
    states, expected = states_and_logits(llava, records[:2])

    class Capped(type(llava.model)):  # type: ignore[misc]
        def forward(self, *args: Any, **options: Any) -> Any:
            output = super().forward(*args, **options)
            output.logits = output.logits.tanh()
            return output

    before = llava.model.__class__
    llava.model.__class__ = Capped
    try:
        with torch.inference_mode():
            found = Head(llava.model, llava.family, [5])(states)
    finally:
        llava.model.__class__ = before
    torch.testing.assert_close(found, expected[:, [5]].tanh())


def test_the_model_keeps_its_decoder_and_head(llava: VLM, records: list[Record]) -> None:
    before = dict(llava.model.named_modules())
    Head(llava.model, llava.family, [1, 2])
    assert dict(llava.model.named_modules()) == before
    assert len(states_and_logits(llava, records[:1])[1][0]) > 2
