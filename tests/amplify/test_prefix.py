from __future__ import annotations

from typing import Any

import pytest
import torch

from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.prefix import prefix_of, prefixes_of
from superneurons.errors import DataError, MismatchError
from tiny_models import LAYERS

PROMPTS = ["two and two is", "hi", "once upon a time there"]


@pytest.mark.parametrize("layer", [1, 2, LAYERS])
def test_it_gives_what_a_plain_pass_gives_bit_for_bit(model: LanguageModel, layer: int) -> None:
    plain = model.last_logits(PROMPTS)
    every = prefixes_of(model, PROMPTS)
    for prefix in (prefix_of(model, PROMPTS, layer), every.at(layer)):
        assert len(prefix) == len(PROMPTS)
        for _ in range(2):  # nothing stays of a run
            assert torch.equal(prefix.logits(), plain)


@pytest.mark.parametrize("layer", [1, 3])
def test_amplified_it_gives_what_the_whole_model_gives(model: LanguageModel, layer: int) -> None:
    rows = torch.tensor([True, False, True])
    for how in (
        Amplification(layer, [4, 2], 3.0, model=model.fingerprint),
        Amplification(layer, [4, 2], 3.0, "all"),
        Amplification(LAYERS, [4, 2], 3.0),
    ):
        with amplified(model, how, rows):
            wanted = model.last_logits(PROMPTS)
        assert torch.equal(prefix_of(model, PROMPTS, layer).logits(how, rows), wanted)
        assert torch.equal(prefixes_of(model, PROMPTS).at(layer).logits(how, rows), wanted)


def test_the_last_token_alone_gives_the_same_up_to_rounding(model: LanguageModel) -> None:
    every = prefixes_of(model, PROMPTS, last_token=True)
    plain = model.last_logits(PROMPTS)
    for layer in (1, 3, LAYERS):
        how = Amplification(layer, [4, 2], 3.0)
        with amplified(model, how):
            wanted = model.last_logits(PROMPTS)
        prefix = every.at(layer)
        assert prefix.ids.shape == (3, 1)
        for _ in range(2):
            torch.testing.assert_close(prefix.logits(how), wanted, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(prefix.logits(), plain, atol=1e-4, rtol=1e-4)
        assert torch.equal(prefix.logits(how), prefix.logits(how))


def test_one_token_prompts_have_nothing_before_the_last(llama: LanguageModel) -> None:
    every = prefixes_of(llama, ["a", "b"], last_token=True)
    assert torch.equal(every.at(2).logits(), llama.last_logits(["a", "b"]))


def test_layers_before_it_do_not_run_again(model: LanguageModel) -> None:
    ran: list[int] = []

    def note(layer: int) -> Any:
        return lambda *_: ran.append(layer)

    handles = [
        module.register_forward_hook(note(number))
        for number, module in enumerate(model.layers, start=1)
    ]
    prefix = prefix_of(model, PROMPTS, 3)
    assert ran == [1, 2]
    prefix.logits()
    assert ran == [1, 2, 3, 4]
    for handle in handles:
        handle.remove()


def test_the_model_is_left_as_it_was(llama: LanguageModel) -> None:
    layers, plain = list(llama.layers), llama.last_logits(PROMPTS)
    prefix_of(llama, PROMPTS, 3).logits(Amplification(3, [1], 5.0))
    prefixes_of(llama, PROMPTS, last_token=True).at(2).logits(Amplification(2, [1], 5.0))
    assert list(llama.layers) == layers
    assert torch.equal(llama.last_logits(PROMPTS), plain)


def test_what_cannot_be_run_from_there_is_refused(llama: LanguageModel) -> None:
    prefix = prefix_of(llama, PROMPTS, 3)
    with pytest.raises(DataError, match="before layer 3 have run"):
        prefix.logits(Amplification(2, [1], 2.0))
    with pytest.raises(MismatchError):
        prefix.logits(Amplification(3, [1], 2.0, model="another"))
    with pytest.raises(DataError, match="every position"):
        prefixes_of(llama, PROMPTS, last_token=True).at(3).logits(Amplification(3, [1], 2.0, "all"))
    for layer in (0, LAYERS + 1):
        with pytest.raises(DataError, match="no layer"):
            prefix_of(llama, PROMPTS, layer)
        with pytest.raises(DataError, match="no layer"):
            prefixes_of(llama, PROMPTS).at(layer)
