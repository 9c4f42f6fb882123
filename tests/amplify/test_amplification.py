from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from pictures import bright_records
from pretended import pretending
from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel, language_model
from superneurons.errors import DataError, MismatchError, ModelError
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.spread import spread
from tiny_language_models import WIDTH
from tiny_models import LAYERS

PROMPTS = ["two and two is", "hi", "once upon a time there"]
COLUMNS = [3, 1, 40]


def some(layer: int = 2, multiplier: float = 3.0, **others: Any) -> Amplification:
    return Amplification(layer, COLUMNS, multiplier, **others)


def hooks(module: nn.Module) -> int:
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._forward_hooks_always_called)
        for m in module.modules()
    )


def weights(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in module.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("position", ["last", "all"])
@pytest.mark.parametrize("layer", [1, LAYERS])
def test_times_one_changes_no_bit(model: LanguageModel, layer: int, position: Any) -> None:
    plain = model.last_logits(PROMPTS)
    with amplified(model, some(layer, 1.0, position=position)):
        assert torch.equal(model.last_logits(PROMPTS), plain)
    with amplified(model, some(layer, 2.0, position=position)):
        assert not torch.allclose(model.last_logits(PROMPTS), plain, atol=1e-3)


def test_weights_and_hooks_are_as_before(model: LanguageModel) -> None:
    before, hooked = weights(model.model), hooks(model.model)
    plain = model.last_logits(PROMPTS)
    with amplified(model, some(1)), amplified(model, some(3, position="all")):
        assert hooks(model.model) > hooked
        model.last_logits(PROMPTS)
    assert (weights(model.model), hooks(model.model)) == (before, hooked)
    assert torch.equal(model.last_logits(PROMPTS), plain)


def test_an_exception_within_leaves_no_hook(model: LanguageModel) -> None:
    plain, hooked = model.last_logits(PROMPTS), hooks(model.model)
    with pytest.raises(KeyboardInterrupt), amplified(model, some()):
        raise KeyboardInterrupt

    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle of a pass")

    handle = model.layers[2].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"), amplified(model, some()):
        model.last_logits(PROMPTS)
    handle.remove()
    assert hooks(model.model) == hooked
    assert torch.equal(model.last_logits(PROMPTS), plain)


@pytest.mark.parametrize("position", ["last", "all"])
def test_it_is_what_larger_weights_would_give(llama: LanguageModel, position: Any) -> None:
    """At every position, amplified neurons are columns of the down projection made larger."""
    with amplified(llama, some(2, 3.0, position=position)):
        found = llama.last_logits(PROMPTS[:1])
    down = cast(nn.Linear, llama.mlp(2))
    kept = down.weight.clone()
    try:
        down.weight[:, COLUMNS] *= 3.0
        wanted = llama.last_logits(PROMPTS[:1])
    finally:
        down.weight.copy_(kept)
    assert torch.allclose(found, wanted, atol=1e-5) == (position == "all")


def test_only_the_chosen_positions_and_neurons_change(model: LanguageModel) -> None:
    ids, mask = model.encode(PROMPTS)

    def given(position: Any) -> torch.Tensor:
        seen: list[torch.Tensor] = []
        with amplified(model, some(2, 3.0, position=position)):
            handle = model.mlp(2).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
            model.run(ids, mask)
            handle.remove()
        return seen[0]

    seen: list[torch.Tensor] = []
    handle = model.mlp(2).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.run(ids, mask)
    handle.remove()
    for position, where in (("last", slice(-1, None)), ("all", slice(None))):
        wanted = seen[0].clone()
        wanted[:, where, COLUMNS] *= 3.0
        assert torch.equal(given(position), wanted)


def test_rows_are_gated_one_by_one(model: LanguageModel) -> None:
    plain = model.last_logits(PROMPTS)
    for position in ("last", "all"):
        how = some(2, 3.0, position=position)
        with amplified(model, how):
            every = model.last_logits(PROMPTS)
        with amplified(model, how, torch.tensor([False, True, False])):
            found = model.last_logits(PROMPTS)
        assert torch.equal(found[[0, 2]], plain[[0, 2]])
        assert torch.equal(found[1], every[1])
        assert not torch.equal(found[1], plain[1])


def test_a_closed_gate_hooks_nothing(llama: LanguageModel) -> None:
    hooked, plain = hooks(llama.model), llama.last_logits(PROMPTS)
    with amplified(llama, some(), torch.zeros(3, dtype=torch.bool)):
        assert hooks(llama.model) == hooked
        assert torch.equal(llama.last_logits(PROMPTS), plain)


def test_other_batches_than_the_rows_are_refused(llama: LanguageModel) -> None:
    with (
        pytest.raises(DataError, match="2 rows to choose from, but the batch has 3"),
        amplified(llama, some(), torch.tensor([True, False])),
    ):
        llama.last_logits(PROMPTS)


def generated(model: LanguageModel, prompts: list[str], **options: Any) -> torch.Tensor:
    ids, mask = model.encode(prompts)
    new: torch.Tensor = cast(Any, model.model).generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=4, do_sample=False, eos_token_id=None,
        pad_token_id=0, return_dict_in_generate=True, output_logits=True, **options,
    )  # fmt: skip
    return torch.stack(cast(Any, new).logits, dim=1)


def test_generate_amplifies_each_new_token(model: LanguageModel) -> None:
    plain = generated(model, PROMPTS[:1])
    with amplified(model, some(2, 1.0)):
        assert torch.equal(generated(model, PROMPTS[:1]), plain)
    # With a cache each new token is a pass of its own; without, every position is in each pass.
    with amplified(model, some(2, 4.0, position="all")):
        cached = generated(model, PROMPTS[:1], use_cache=True)
        anew = generated(model, PROMPTS[:1], use_cache=False)
    torch.testing.assert_close(cached, anew, atol=1e-4, rtol=1e-4)
    with amplified(model, some(2, 4.0)):
        last = generated(model, PROMPTS[:1], use_cache=True)
        alone = model.last_logits(PROMPTS[:1])
    torch.testing.assert_close(last[:, 0], alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(last[:, 1:], plain[:, 1:], atol=1e-3)


def test_generate_is_gated_row_by_row(llama: LanguageModel) -> None:
    plain = generated(llama, PROMPTS)
    with amplified(llama, some(2, 4.0), torch.tensor([True, False, False])):
        found = generated(llama, PROMPTS)
    assert torch.equal(found[1:], plain[1:])
    assert not torch.equal(found[0], plain[0])


def test_nested_blocks_compose(model: LanguageModel) -> None:
    with amplified(model, some(2, 3.0)), amplified(model, some(3, 2.0)):
        there = model.last_logits(PROMPTS)
    with amplified(model, some(3, 2.0)), amplified(model, some(2, 3.0)):
        assert torch.equal(model.last_logits(PROMPTS), there)
    with amplified(model, some(2, 2.0)), amplified(model, some(2, 2.0)):
        twice = model.last_logits(PROMPTS)
    with amplified(model, some(2, 4.0)):
        assert torch.equal(model.last_logits(PROMPTS), twice)


def test_the_last_token_of_each_record_is_meant(vlm: VLM) -> None:
    """A batch of a VLM is padded on the right."""
    short, long = bright_records(2)
    long = replace(long, question=long.question + " Say yes if it is, and no if it is not.")
    how = some(2, 4.0)
    with amplified(vlm, how):
        together = vlm.last_states(vlm.encode([short, long]), logits=True).logits
        alone = [vlm.last_states(vlm.encode([r]), logits=True).logits for r in (short, long)]
    plain = vlm.last_states(vlm.encode([short]), logits=True).logits
    assert together is not None
    assert plain is not None
    for row, one in enumerate(alone):
        assert one is not None
        torch.testing.assert_close(together[row], one[0], atol=1e-3, rtol=1e-3)
    assert not torch.allclose(together[0], plain[0], atol=1e-2)


@pytest.mark.parametrize("position", ["last", "all"])
def test_a_model_on_two_devices_is_amplified_where_its_layers_lie(
    llava_path: Path, position: Any
) -> None:
    records, more = bright_records(3), some(LAYERS, 2.0, position=position)
    gate = torch.tensor([True, False, True])

    def logits(vlm: VLM) -> torch.Tensor:
        inputs = vlm.encode(records)
        with amplified(vlm, more, gate):
            found = vlm.last_states(inputs, logits=True).logits
        assert found is not None
        return found

    one = open_vlm(str(llava_path), device="cpu", verify=False)
    with pretending() as devices:
        two = open_vlm(str(llava_path), device="cpu", verify=False)
        spread(two.model, two.family, devices, two.name)
        assert next(two.layers[-1].parameters()).device == devices[1]
        found = logits(two)
    assert torch.equal(found, logits(one))


def test_a_truncated_twin_is_not_the_model_that_was_amplified(llava: VLM) -> None:
    cut, inputs = llava.truncated(2), llava.encode(bright_records(1))
    with pytest.raises(ModelError, match="another model"), amplified(llava, some(1)):
        cut.last_states(inputs)
    plain = cut.last_states(inputs).residual
    with amplified(cut, some(1)):
        assert not torch.equal(cut.last_states(inputs).residual, plain)
    assert torch.equal(cut.last_states(inputs).residual, plain)


def test_all_that_makes_no_sense_is_listed() -> None:
    with pytest.raises(DataError) as caught:
        Amplification(0, [1, 1], float("nan"), "first")  # type: ignore[arg-type]
    places = [problem.where for problem in caught.value.problems]
    assert places == ["layer", "columns", "multiplier", "position"]
    for columns in ([], [-1], [0.5]):
        with pytest.raises(DataError, match="columns"):
            Amplification(1, columns, 2.0)
    assert Amplification(1, np.array([5, 2]), 2.0) == Amplification(1, (5, 2), 2.0)


def test_neurons_of_another_model_are_refused(llama: LanguageModel) -> None:
    hooked = hooks(llama.model)
    with pytest.raises(MismatchError, match="another model"), amplified(llama, some(model="x")):
        pass
    with amplified(llama, some(model=llama.fingerprint)):
        pass
    for how, said in (
        (Amplification(LAYERS + 1, [0], 2.0), "no layer 5"),
        (Amplification(1, [0, WIDTH, WIDTH + 1], 2.0), "neuron 65"),
    ):
        with pytest.raises(DataError, match=said), amplified(llama, how):
            pass
    assert hooks(llama.model) == hooked


def test_a_multiplier_that_makes_infinities_names_the_layer(model: LanguageModel) -> None:
    plain = model.last_logits(PROMPTS)
    for position in ("last", "all"):
        with (
            pytest.raises(ModelError, match="layer 3 makes activations") as caught,
            amplified(model, some(3, 1e38, position=position)),
        ):
            model.last_logits(PROMPTS)
        assert caught.value.where == "layer 3"
    assert torch.equal(model.last_logits(PROMPTS), plain)


def test_a_model_that_is_broken_anyway_is_not_the_multipliers_fault(llava: VLM) -> None:
    model = language_model(llava)
    handle = model.layers[0].register_forward_hook(lambda _m, _a, out: out * float("nan"))
    try:
        with amplified(model, some(2, 2.0)):
            assert model.last_logits(PROMPTS).isnan().all()
    finally:
        handle.remove()
