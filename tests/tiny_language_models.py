"""Tiny random language models, written to disk like real checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from tiny_models import HIDDEN, LAYERS, save, tokenizer

__all__ = ["LANGUAGE_SAVERS", "WIDTH", "save_gpt2", "save_llama"]

WIDTH = 64


def _save(model: Any, words: Any, path: Path, seed: int) -> Path:
    words.clean_up_tokenization_spaces = False
    return save(model, words, path, seed)


def save_llama(path: Path, *, seed: int = 0, layers: int = LAYERS) -> Path:
    words = tokenizer("<image>")
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=WIDTH,
        num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    return _save(LlamaForCausalLM(config), words, path, seed)


def save_gpt2(path: Path, *, seed: int = 0, layers: int = LAYERS) -> Path:
    words = tokenizer("<image>")
    config = GPT2Config(
        vocab_size=len(words), n_embd=HIDDEN, n_inner=WIDTH, n_layer=layers, n_head=4,
        n_positions=128, bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    return _save(GPT2LMHeadModel(config), words, path, seed)


LANGUAGE_SAVERS: dict[str, Callable[..., Path]] = {"gpt2": save_gpt2, "llama": save_llama}
