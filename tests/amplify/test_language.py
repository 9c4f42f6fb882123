from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from superneurons.amplify import language
from superneurons.amplify.language import LanguageModel, language_model, open_language_model
from superneurons.errors import DataError, ModelError, ModelNotFoundError
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from tiny_language_models import WIDTH, save_gpt2, save_llama
from tiny_models import HIDDEN, LAYERS, save_llava

PROMPTS = ["two and two is", "hi", "once upon a time there"]


def test_its_parts_are_found(model: LanguageModel) -> None:
    assert (model.n_layers, model.width) == (LAYERS, WIDTH)
    assert isinstance(model.layers, nn.ModuleList)
    assert model.norm(torch.ones(1, HIDDEN)).shape == (1, HIDDEN)
    assert str(LAYERS) in repr(model)
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float32)


def test_padding_is_on_the_left(model: LanguageModel) -> None:
    ids, mask = model.encode(PROMPTS)
    assert ids.shape == mask.shape == (3, len(PROMPTS[2]))
    assert mask[1].tolist() == [0] * (len(PROMPTS[2]) - 2) + [1, 1]
    assert model.tokenizer.decode(ids[1, -2:]) == "hi"


def test_padding_does_not_change_an_answer(model: LanguageModel) -> None:
    together = model.last_logits(PROMPTS)
    assert together.dtype == torch.float32
    for row, prompt in enumerate(PROMPTS):
        torch.testing.assert_close(together[row], model.last_logits([prompt])[0])
    torch.testing.assert_close(model.last_logits(PROMPTS, batch_size=2), together)


def test_its_logits_are_the_models_own(llama: LanguageModel) -> None:
    ids, _ = llama.encode(PROMPTS[:1])
    with torch.inference_mode():
        own = llama.model(input_ids=ids).logits[:, -1]
    torch.testing.assert_close(llama.last_logits(PROMPTS[:1]), own)


def test_a_tokenizer_without_padding_pads_all_the_same(llama: LanguageModel) -> None:
    class Bare:
        pad_token_id, eos_token_id = None, None

        def __call__(self, text: str, **options: object) -> object:
            return llama.tokenizer(text, **options)

    bare = LanguageModel(
        llama.model, Bare(), "bare", llama.trunk, llama.layers_path, llama.norm_path,
        llama.mlp_output,
    )  # fmt: skip
    torch.testing.assert_close(bare.last_logits(PROMPTS), llama.last_logits(PROMPTS))


def test_empty_prompts_are_all_listed(llama: LanguageModel) -> None:
    with pytest.raises(DataError, match="empty") as caught:
        llama.encode(["", "fine", ""])
    assert [problem.where for problem in caught.value.problems] == ["prompt 0", "prompt 2"]
    with pytest.raises(DataError, match="no prompts"):
        llama.encode([])


def test_words_of_several_tokens_are_all_listed(llama: LanguageModel) -> None:
    assert [llama.tokenizer.decode([t]) for t in llama.single_tokens(["a", "7"])] == ["a", "7"]
    with pytest.raises(DataError) as caught:
        llama.single_tokens(["a", "to", " b"])
    assert [problem.where for problem in caught.value.problems] == ["'to'", "' b'"]
    assert "2 tokens: 't', 'o'" in str(caught.value)


def test_layers_that_are_not_there_are_refused(llama: LanguageModel) -> None:
    for layer in (0, LAYERS + 1):
        with pytest.raises(DataError, match=f"no layer {layer}"):
            llama.mlp(layer)


def test_the_fingerprint_tells_models_apart(tmp_path: Path, llama: LanguageModel) -> None:
    same = open_language_model(str(save_llama(tmp_path / "same")), device="cpu")
    other = open_language_model(str(save_llama(tmp_path / "other", seed=1)), device="cpu")
    coarse = open_language_model(str(tmp_path / "same"), device="cpu", dtype="bfloat16")
    assert same.fingerprint == llama.fingerprint
    assert len({m.fingerprint for m in (llama, other, coarse)}) == 3


def test_a_vlms_language_model_shares_its_weights(llava: VLM) -> None:
    model = language_model(llava)
    assert list(model.layers) == list(llava.layers)
    assert model.width == llava.shape("mlp")[1]


def test_a_vlm_without_mlp_neurons_is_refused(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="mlp"):
        language_model(replace(llava, family=replace(llava.family, lacks=("mlp",))))


def test_a_vlm_is_opened_by_its_name(tmp_path: Path) -> None:
    path = str(save_llava(tmp_path / "llava"))
    there = language_model(open_vlm(path, device="cpu"))
    assert open_language_model(path, device="cpu").fingerprint == there.fingerprint


def test_models_that_are_not_there_or_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        open_language_model(str(tmp_path / "nothing"))
    path = save_gpt2(tmp_path / "gpt2")
    file = path / "model.safetensors"
    tensors = load_file(file)
    tensors.pop("transformer.ln_f.weight")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError) as caught:
        open_language_model(str(path), device="cpu")
    assert "ln_f.weight" in str(caught.value)


def test_unknown_parts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(save_llama(tmp_path / "llama"))
    monkeypatch.setattr(language, "_MLP_OUTPUTS", ("mlp.experts",))
    with pytest.raises(ModelError, match="not known") as caught:
        open_language_model(path, device="cpu")
    assert "mlp.experts" in str(caught.value)
    monkeypatch.setattr(language, "_LAYERS", ("blocks",))
    with pytest.raises(ModelError, match="layers, norm"):
        open_language_model(path, device="cpu")


def test_its_parts_have_the_names_that_its_family_gives_them(
    opened: dict[str, LanguageModel],
) -> None:
    named = {
        name: (model.trunk, model.layers_path, model.norm_path, model.mlp_output)
        for name, model in opened.items()
    }
    assert named["llama"] == ("model", "model.layers", "model.norm", "mlp.down_proj")
    assert named["gpt2"] == ("transformer", "transformer.h", "transformer.ln_f", "mlp.c_proj")
    for model in opened.values():
        for layer in (1, LAYERS):
            assert model.mlp(layer) is model.layers[layer - 1].get_submodule(model.mlp_output)
        assert repr(model) == (
            f"LanguageModel({model.name!r}, {LAYERS} layers of {WIDTH} MLP neurons)"
        )


def test_it_is_opened_to_be_asked_and_not_trained(opened: dict[str, LanguageModel]) -> None:
    for model in opened.values():
        assert not model.model.training
        assert not any(parameter.requires_grad for parameter in model.model.parameters())


@pytest.mark.parametrize("save", [save_llama, save_llava])
def test_the_dtype_asked_for_is_the_one_given(tmp_path: Path, save: Any) -> None:
    model = open_language_model(str(save(tmp_path / "m")), device="cpu", dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    assert model.last_logits(PROMPTS[:1]).dtype == torch.float32


texts = st.text("abc de", min_size=1, max_size=6)


@settings(max_examples=15, deadline=None)
@given(prompts=st.lists(texts, min_size=1, max_size=5), size=st.integers(1, 4), data=st.data())
def test_each_prompt_has_its_answer_whatever_stands_beside_it(
    llama: LanguageModel, prompts: list[str], size: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(prompts))))
    found = llama.last_logits(prompts)
    mixed = llama.last_logits([prompts[row] for row in order], batch_size=size)
    torch.testing.assert_close(mixed, found[order], atol=1e-4, rtol=1e-4)


def test_a_batch_runs_no_more_padding_than_it_needs(llama: LanguageModel) -> None:
    widths: list[tuple[int, ...]] = []
    trunk = llama.model.get_submodule(llama.trunk)
    handle = trunk.register_forward_pre_hook(
        lambda _m, _a, given: widths.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    llama.last_logits(["abcdefgh", "ab", "abc", "a", "b"], batch_size=2)
    handle.remove()
    assert widths == [(2, 8), (2, 3), (1, 1)]


def test_tokens_stand_at_their_own_positions(llama: LanguageModel) -> None:
    """A row is given the positions that it has alone, and no cache unless it is asked for."""
    seen: list[dict[str, Any]] = []
    handle = llama.model.register_forward_pre_hook(
        lambda _m, _a, given: seen.append(given), with_kwargs=True
    )
    ids, mask = llama.encode(["abcd", "ab"])
    llama.run(ids, mask)
    llama.run(ids, mask, use_cache=True)
    handle.remove()
    assert seen[0]["position_ids"].tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]
    assert [given["use_cache"] for given in seen] == [False, True]
    assert seen[0]["logits_to_keep"] == 1


def test_padding_is_of_the_tokenizers_own_token_or_its_last(llama: LanguageModel) -> None:
    class Ending:
        pad_token_id, eos_token_id = None, 7

        def __call__(self, text: str, **options: object) -> object:
            return llama.tokenizer(text, **options)

    ids, mask = replace(llama, tokenizer=Ending()).encode(["abc", "a"])
    assert ids[1, :2].tolist() == [7, 7]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.int64)
    assert llama.encode(["abc", "a"])[0][1, 0] == llama.tokenizer.pad_token_id != 7


def test_a_word_is_complained_of_once(llama: LanguageModel) -> None:
    with pytest.raises(DataError) as caught:
        llama.single_tokens(["to", "to", "", "a"])
    assert [str(problem) for problem in caught.value.problems] == [
        "'to': is 2 tokens: 't', 'o'", "'': is 0 tokens: none",
    ]  # fmt: skip


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(llama: LanguageModel) -> None:
    with pytest.raises(DataError) as caught:
        llama.mlp(9)
    assert caught.value.where == "layer 9"
    assert f"from 1 to {LAYERS}" in str(caught.value)
    with pytest.raises(ModelError):
        replace(llama, mlp_output="mlp.experts").mlp(1)


def by_hand(model: LanguageModel) -> str:
    """The fingerprint as its documentation has it: dtype, names, shapes, 64 values of each."""
    digest = hashlib.sha256(str(model.dtype).encode())
    parts = {
        "embeddings": cast(Any, model.model).get_input_embeddings(),
        "layers": model.layers,
        "norm": model.norm,
    }
    for name, module in parts.items():
        for inner, tensor in sorted(module.named_parameters()):
            flat = tensor.float().numpy().ravel()
            places = np.linspace(0, len(flat) - 1, min(64, len(flat))).astype(np.int64)
            digest.update(f"{name}.{inner} {tuple(tensor.shape)}".encode())
            digest.update(flat[places].astype(np.float32).tobytes())
    return digest.hexdigest()


def test_the_fingerprint_is_a_hash_of_the_decoder(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model.fingerprint == by_hand(model)
    # Taken once: what is kept of an open model is not computed again.
    monkeypatch.setattr(language, "_fingerprint", None)
    assert len(model.fingerprint) == 64


@pytest.mark.parametrize("name", ["embeddings", "first layer", "last layer", "norm"])
def test_any_part_of_the_decoder_changes_the_fingerprint(tmp_path: Path, name: str) -> None:
    model = open_language_model(str(save_llama(tmp_path / "m")), device="cpu")
    before = language._fingerprint(model)
    part = {
        "embeddings": cast(Any, model.model).get_input_embeddings().weight,
        "first layer": model.mlp(1).weight,
        "last layer": model.mlp(LAYERS).weight,
        "norm": model.norm.weight,
    }[name]
    for place in (0, -1):  # the first and the last value are among those that are read
        cast(torch.Tensor, part).view(-1)[place] += 1
        after = language._fingerprint(model)
        assert after != before
        before = after


def test_a_checkpoint_of_other_shapes_is_refused_by_name(tmp_path: Path) -> None:
    path = save_llama(tmp_path / "llama")
    file = path / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.1.mlp.down_proj.weight"
    tensors[name] = tensors[name][:, :-8].contiguous()
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError) as caught:
        open_language_model(str(path), device="cpu")
    assert "layers.1.mlp.down_proj" in str(caught.value)
