from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from pictures import bright_records
from superneurons.errors import MissingExtraError, ModelError
from superneurons.evaluate.lora_adapters import (
    adapter_weights,
    attention_projections,
    learning,
    require_peft,
    seeded,
    with_adapters,
)
from superneurons.vlm.model import VLM
from weights import hashed


def logits(vlm: VLM) -> torch.Tensor:
    found = vlm.last_states(vlm.encode(bright_records(2)), logits=True).logits
    assert found is not None
    return found


def test_the_attention_of_the_decoder_is_found_and_nothing_else(vlm: VLM) -> None:
    paths = attention_projections(vlm)
    assert len(paths) == 4 * vlm.depth == len(set(paths))
    assert all(path.startswith(f"{vlm.family.layers}.") for path in paths)
    assert {path.rpartition(".")[2] for path in paths} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    for path in paths:
        assert isinstance(vlm.model.get_submodule(path), torch.nn.Linear)


def test_a_model_without_attention_is_refused(llava: VLM) -> None:
    odd = replace(llava, family=replace(llava.family, heads_output="mixer.out_proj"))
    with pytest.raises(ModelError, match="No decoder layer has linear maps") as caught:
        attention_projections(odd)
    assert "heads_output" in str(caught.value)


def test_new_adapters_change_nothing_and_share_all_weights(vlm: VLM) -> None:
    before = hashed(vlm)
    adapted = with_adapters(vlm, rank=2, seed=1)
    torch.testing.assert_close(logits(adapted), logits(vlm), rtol=0, atol=0)
    added = adapter_weights(adapted)
    assert len(added) == 2 * 4 * vlm.depth
    assert {weight.dtype for weight in added.values()} == {torch.float32}
    own = {id(weight) for weight in vlm.model.parameters()}
    others = {id(w) for w in adapted.model.parameters()} - {id(w) for w in added.values()}
    assert others == own
    assert not adapter_weights(vlm)
    assert hashed(vlm) == before


def test_a_model_has_one_set_of_adapters(llava: VLM) -> None:
    with pytest.raises(ModelError, match="has adapters already"):
        with_adapters(with_adapters(llava))


def test_what_adapters_learn_shows_in_the_twin_alone(vlm: VLM) -> None:
    before, plain = hashed(vlm), logits(vlm)
    adapted = with_adapters(vlm, rank=2)
    with torch.no_grad():
        for weight in adapter_weights(adapted).values():
            weight.add_(0.5)
    assert (logits(adapted) - plain).abs().max() > 0.1
    assert torch.equal(logits(vlm), plain)
    assert hashed(vlm) == before
    assert not any("lora" in type(module).__module__ for module in vlm.model.modules())


def test_half_precision_has_adapters_in_single(llava: VLM) -> None:
    import copy

    half = replace(llava, model=copy.deepcopy(llava.model).to(torch.bfloat16))
    adapted = with_adapters(half, rank=2)
    assert {weight.dtype for weight in adapter_weights(adapted).values()} == {torch.float32}
    assert torch.equal(logits(adapted), logits(half))


def test_the_seed_decides_the_first_weights_and_nobody_elses_draws(llava: VLM) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = (
        torch.cat([w.flatten() for w in adapter_weights(with_adapters(llava, seed=s)).values()])
        for s in (0, 0, 1)
    )
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_draws_go_on_where_they_were() -> None:
    torch.manual_seed(3)
    first, second = torch.rand(1), torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), first)
    with seeded(torch.device("cpu"), 3):
        assert torch.equal(torch.rand(1), first)
    assert torch.equal(torch.rand(1), second)


def test_only_adapters_learn_and_only_while_it_is_open(llava: VLM) -> None:
    frozen = next(llava.model.parameters())
    frozen.requires_grad_(False)
    flags = [weight.requires_grad for weight in llava.model.parameters()]
    adapted = with_adapters(llava, rank=2, dropout=0.5)
    assert [weight.requires_grad for weight in llava.model.parameters()] == flags
    drops = [m for m in adapted.model.modules() if isinstance(m, torch.nn.Dropout) and m.p == 0.5]
    assert len(drops) == 4 * llava.depth
    with pytest.raises(RuntimeError, match="stop"), learning(adapted) as weights:  # noqa: PT012
        assert {id(w) for w in adapted.model.parameters() if w.requires_grad} == set(
            map(id, weights)
        )
        assert all(module.training for module in drops)
        raise RuntimeError("stop")
    assert [weight.requires_grad for weight in llava.model.parameters()] == flags
    assert not any(module.training for module in adapted.model.modules())
    frozen.requires_grad_(True)


def test_without_peft_the_extra_is_named(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    for call in (require_peft, lambda: with_adapters(llava)):
        with pytest.raises(MissingExtraError, match="Training LoRA adapters needs") as caught:
            call()
        assert "pip install 'superneurons[lora]'" in str(caught.value)
