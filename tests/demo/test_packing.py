from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packing import IGNORED, Packed, Prompts, Row, attention_mask, stack
from PIL import Image

from superneurons.demo.language_model import LanguageModel
from superneurons.demo.model import demo_processor, new_model

PAIRS = [("Is it?", "Yes"), ("What is in it?\nA) dog\nB) cat", "B"), ("How many?", "three")]


@pytest.fixture(scope="module")
def prompts(tiny_parts: LanguageModel) -> Prompts:
    return Prompts(tiny_parts.tokenizer)


def pack(prompts: Prompts) -> Packed:
    """Picture 1 with three questions behind it; two whole prompts with the question first."""
    shared, turned = Row(320), Row(320)
    parent = shared.add(prompts.prefix, picture=1)
    for pair in PAIRS:
        shared.add(prompts.ask(*pair), parent=parent, start=len(prompts.prefix.ids))
    for picture in (0, 1):
        turned.add(prompts.ask(*PAIRS[0], picture_first=False), picture=picture)
    return stack([shared, turned], prompts.image_id)


def test_packed_prompts_give_the_logits_of_single_ones(
    tiny_parts: LanguageModel, prompts: Prompts
) -> None:
    torch.manual_seed(0)
    model, processor = new_model(tiny_parts), demo_processor(tiny_parts.tokenizer)
    pictures = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    images = [Image.fromarray(picture.numpy()) for picture in pictures]
    packed = pack(prompts)
    pixels = processor.image_processor(images, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        words = torch.cat(list(model.get_image_features(pixels).pooler_output))
        embedded = model.model.language_model.embed_tokens(packed.ids)
        seen = words[packed.patch.clamp(min=0)]
        logits = model.lm_head(
            model.model.language_model(
                inputs_embeds=torch.where((packed.patch >= 0)[..., None], seen, embedded),
                attention_mask=attention_mask(packed),
                position_ids=packed.position,
                use_cache=False,
            ).last_hidden_state
        )
    asked = [(0, number + 1, 1, pair, True) for number, pair in enumerate(PAIRS)]
    asked += [(1, number, number, PAIRS[0], False) for number in (0, 1)]
    for row, segment, picture, (question, answer), first in asked:
        parts = [{"type": "image"}, {"type": "text", "text": question}]
        prompt = processor.apply_chat_template(
            [{"role": "user", "content": parts if first else parts[::-1]}],
            add_generation_prompt=True,
        )
        single = processor(
            images=[images[picture]], text=f"{prompt}{answer}<|im_end|>", return_tensors="pt"
        )
        learned = (packed.segment[row] == segment) & (packed.target[row] != IGNORED)
        count = int(learned.sum())
        with torch.inference_mode():
            expected = model(**single).logits[0, -count - 1 : -1]
        assert torch.equal(packed.target[row][learned], single["input_ids"][0, -count:])
        torch.testing.assert_close(logits[row][learned], expected, atol=1e-4, rtol=1e-4)


def test_the_answer_and_the_end_of_turn_are_learned(
    tiny_parts: LanguageModel, prompts: Prompts
) -> None:
    packed = pack(prompts)
    learned = packed.target[0][packed.target[0] != IGNORED]
    assert tiny_parts.tokenizer.decode(learned) == "Yes<|im_end|>B<|im_end|>three<|im_end|>"


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_nobody_sees_the_future_or_a_stranger(lengths: list[int]) -> None:
    """Segments of these lengths; the first is everybody's parent."""
    segment = torch.tensor([[i for i, n in enumerate(lengths) for _ in range(n)]])
    parent = torch.where(segment == 0, -1, 0)
    empty = torch.zeros_like(segment)
    packed = Packed(empty, empty, segment, parent, empty, empty)
    mask = attention_mask(packed)[0, 0]
    for i, mine in enumerate(segment[0].tolist()):
        for j, other in enumerate(segment[0].tolist()):
            assert bool(mask[i, j]) == (j <= i and other in (mine, 0))


def test_padding_sees_padding_only(prompts: Prompts) -> None:
    packed = pack(prompts)
    mask = attention_mask(packed)[0, 0]
    padding = packed.segment[0] == -1
    assert padding.any()
    assert not mask[padding][:, ~padding].any()
    assert not mask[~padding][:, padding].any()


def test_what_does_not_fit_is_left_out(prompts: Prompts) -> None:
    row = Row(len(prompts.prefix.ids) + 1)
    assert row.add(prompts.prefix, picture=0) == 0
    assert row.add(prompts.ask("Is it?", "Yes"), parent=0) is None
    assert len(row.ids) == len(prompts.prefix.ids)
