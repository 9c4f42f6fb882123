from __future__ import annotations

from pathlib import Path

import pytest
import torch
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
    from dataclasses import replace

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
