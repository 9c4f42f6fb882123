"""Idefics2, with and without splitting pictures, Idefics3 and SmolVLM2."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from transformers import (
    Idefics2Config,
    Idefics2ForConditionalGeneration,
    Idefics2Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

# Where some versions have them only with torchvision, they are still in their modules.
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from tiny_models import HIDDEN, LAYERS, save, tokenizer

MARKS = ["<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
SQUARES = [f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3)]
CHAT = (
    "<s>{% for m in messages %}{{ m['role'].capitalize() }}"
    "{{ ':' if m['content'][0]['type'] == 'image' else ': ' }}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def words_of_idefics() -> PreTrainedTokenizerFast:
    words = tokenizer("<image>", *MARKS, *SQUARES)
    words.chat_template = CHAT
    return words


def text(words: PreTrainedTokenizerFast, kind: str) -> dict[str, Any]:
    return {
        "model_type": kind, "vocab_size": len(words), "hidden_size": HIDDEN,
        "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
    }  # fmt: skip


def tower(side: int) -> dict[str, Any]:
    return {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
        "num_attention_heads": 2, "image_size": side, "patch_size": 4,
    }  # fmt: skip


def save_idefics3(path: Path, config: Any, model: Any) -> Path:
    words = words_of_idefics()
    made = config(
        text_config=text(words, "llama"),
        vision_config=tower(16),
        scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(
            size={"longest_edge": 32}, max_image_size={"longest_edge": 16}
        ),
        tokenizer=words,
        image_seq_len=4,
        chat_template=CHAT,
    )
    return save(model(made), processor, path)


def save_idefics2(path: Path, splits: bool) -> Path:
    words = words_of_idefics()
    config = Idefics2Config(
        text_config=text(words, "mistral"),
        vision_config=tower(24),
        perceiver_config={
            "hidden_size": HIDDEN, "resampler_n_latents": 4, "resampler_depth": 2,
            "resampler_n_heads": 4, "resampler_head_dim": 8, "num_key_value_heads": 2,
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    processor = Idefics2Processor(
        image_processor=Idefics2ImageProcessorPil(
            size={"shortest_edge": 12, "longest_edge": 24}, do_image_splitting=splits
        ),
        tokenizer=words,
        image_seq_len=4,
        chat_template=CHAT,
    )
    return save(Idefics2ForConditionalGeneration(config), processor, path)


SAVERS = {
    "idefics2": partial(save_idefics2, splits=True),
    "idefics2_whole": partial(save_idefics2, splits=False),
    "idefics3": partial(
        save_idefics3, config=Idefics3Config, model=Idefics3ForConditionalGeneration
    ),
    "smolvlm": partial(save_idefics3, config=SmolVLMConfig, model=SmolVLMForConditionalGeneration),
}
