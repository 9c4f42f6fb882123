from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.prefix import prefix_of, prefixes_of
from superneurons.errors import DataError, MismatchError
from tiny_models import HIDDEN, LAYERS

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


def sliding(llama: LanguageModel) -> LanguageModel:
    """The same tokenizer before layers that see no more than four tokens back."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(llama.tokenizer), hidden_size=HIDDEN, intermediate_size=64, sliding_window=4,
        num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval().requires_grad_(False)
    return replace(llama, model=model, name="sliding")


def test_layers_with_a_window_are_run_whole(llama: LanguageModel) -> None:
    """What they keep can't be handed on, so every token is run, exactly."""
    model = sliding(llama)
    every = prefixes_of(model, PROMPTS, last_token=True)
    how = Amplification(3, [4, 2], 3.0, "all")
    assert every.whole.cache is None
    assert every.whole.ids.shape == (3, len(PROMPTS[2]))
    plain = model.last_logits(PROMPTS)
    with amplified(model, how):
        wanted = model.last_logits(PROMPTS)
    for layer in (1, 3):
        prefix = every.at(layer)
        assert torch.equal(prefix.logits(), plain)
        assert torch.equal(prefix.logits(how), wanted)


def test_what_is_kept_of_the_tokens_before_does_not_grow(llama: LanguageModel) -> None:
    every = prefixes_of(llama, PROMPTS, last_token=True)
    before = len(PROMPTS[2]) - 1
    for layer in (1, 2, LAYERS):
        every.at(layer).logits(Amplification(layer, [1], 2.0))
        lengths = {kept.keys.shape[2] for kept in every.whole.cache.layers}
        assert lengths == {before}
    assert every.at(2).cache is every.whole.cache


@pytest.mark.parametrize("last_token", [False, True])
def test_rows_are_gated_from_any_layer(model: LanguageModel, last_token: bool) -> None:
    every = prefixes_of(model, PROMPTS, last_token=last_token)
    rows, how = torch.tensor([False, True, False]), Amplification(3, [4, 2], 5.0)
    for layer in (1, 2, 3):
        prefix = every.at(layer)
        plain, found = prefix.logits(), prefix.logits(how, rows)
        assert torch.equal(found[~rows], plain[~rows])
        torch.testing.assert_close(found[rows], prefix.logits(how)[rows], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(found[rows], plain[rows], atol=1e-3)


def test_neither_the_order_of_prompts_nor_their_padding_counts(llama: LanguageModel) -> None:
    how, order = Amplification(2, [4, 2], 3.0), [2, 0, 1]
    found = prefix_of(llama, PROMPTS, 2).logits(how)
    mixed = prefix_of(llama, [PROMPTS[i] for i in order], 2).logits(how)
    torch.testing.assert_close(mixed, found[order], atol=1e-5, rtol=1e-5)
    for row, prompt in enumerate(PROMPTS):
        for last_token in (False, True):
            alone = prefixes_of(llama, [prompt], last_token=last_token).at(2).logits(how)
            torch.testing.assert_close(alone[0], found[row], atol=1e-4, rtol=1e-4)


def test_a_layer_amplified_later_than_where_it_starts_is_the_same(model: LanguageModel) -> None:
    how = Amplification(LAYERS, [4, 2], 3.0)
    for last_token in (False, True):
        every = prefixes_of(model, PROMPTS, last_token=last_token)
        wanted = every.at(LAYERS).logits(how)
        for layer in range(1, LAYERS):
            torch.testing.assert_close(every.at(layer).logits(how), wanted, atol=1e-4, rtol=1e-4)


def test_one_pass_reaches_all_layers_and_none_twice(llama: LanguageModel) -> None:
    ran: list[int] = []
    handle = llama.layers[-1].register_forward_hook(lambda *_: ran.append(1))
    every = prefixes_of(llama, PROMPTS)
    assert len(ran) == 1
    assert sorted(every.entering) == list(range(2, LAYERS + 1))
    prefix_of(llama, PROMPTS, 1)  # nothing is before it, so nothing runs
    prefix_of(llama, PROMPTS, 2)
    assert len(ran) == 1
    handle.remove()
    assert every.at(1).entering is None
    assert every.at(3).entering is every.entering[3]


def test_no_hook_stays_also_when_a_pass_fails(llama: LanguageModel) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    prefix_of(llama, PROMPTS, 3)
    prefixes_of(llama, PROMPTS)
    handle = llama.layers[1].register_forward_hook(fail)
    for ask in (lambda: prefix_of(llama, PROMPTS, 3), lambda: prefixes_of(llama, PROMPTS)):
        with pytest.raises(RuntimeError, match="in the middle"):
            ask()
    handle.remove()
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in llama.layers)


def test_no_prompts_have_no_prefix(llama: LanguageModel) -> None:
    for ask in (lambda: prefix_of(llama, [], 2), lambda: prefixes_of(llama, [])):
        with pytest.raises(DataError, match="no prompts"):
            ask()
    with pytest.raises(DataError) as caught:
        prefixes_of(llama, ["fine", ""], last_token=True)
    assert [problem.where for problem in caught.value.problems] == ["prompt 1"]


def test_what_is_refused_says_where(llama: LanguageModel) -> None:
    with pytest.raises(DataError) as layer:
        prefix_of(llama, PROMPTS, 3).logits(Amplification(2, [1], 2.0))
    assert layer.value.where == "layer 2"
    with pytest.raises(DataError) as position:
        prefixes_of(llama, PROMPTS, last_token=True).at(3).logits(Amplification(3, [1], 2.0, "all"))
    assert position.value.where == "position"
    with pytest.raises(DataError, match="2 rows to choose from, but the batch has 3"):
        prefix_of(llama, PROMPTS, 2).logits(Amplification(2, [1], 2.0), torch.tensor([True, False]))
