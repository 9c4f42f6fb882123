from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoProcessor, LlavaForConditionalGeneration, LlavaProcessor

from superneurons.demo.cache import is_intact
from superneurons.demo.language_model import LanguageModel
from superneurons.demo.model import (
    CHAT_TEMPLATE,
    IMAGE_TOKEN,
    assemble,
    demo_model_path,
    demo_processor,
    merge_lora,
    new_model,
    save_model,
)
from superneurons.demo.tasks import make_task
from superneurons.errors import ModelError
from superneurons.task.record import Record

IMAGE = {"type": "image"}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def chat(processor: LlavaProcessor, content: object) -> str:
    messages = [{"role": "user", "content": content}]
    return str(processor.apply_chat_template(messages, add_generation_prompt=True))


def trained_parts(model: LlavaForConditionalGeneration, rank: int = 2) -> dict[str, torch.Tensor]:
    """What a recipe would export for this model, at random."""
    inner = model.model
    tensors = {f"vision_tower.{k}": v for k, v in inner.vision_tower.state_dict().items()}
    tensors |= {
        f"multi_modal_projector.{k}": v for k, v in inner.multi_modal_projector.state_dict().items()
    }
    for name, weight in inner.language_model.state_dict().items():
        if name.endswith("_proj.weight"):
            stem = f"language_model.{name.removesuffix('.weight')}"
            tensors[f"{stem}.lora_A"] = torch.randn(rank, weight.shape[1])
            tensors[f"{stem}.lora_B"] = torch.randn(weight.shape[0], rank)
    return {
        name: tensor.half().contiguous()
        for name, tensor in tensors.items()
        if tensor.is_floating_point()
    }


class TestMerging:
    def test_an_update_is_added(self) -> None:
        rng = np.random.default_rng(0)
        weight, down, up = rng.normal(size=(5, 4)), rng.normal(size=(2, 4)), rng.normal(size=(5, 2))
        merged = merge_lora(
            {"a.weight": torch.tensor(weight), "b.weight": torch.ones(3)},
            {"a.lora_A": torch.tensor(down), "a.lora_B": torch.tensor(up)},
            scale=0.5,
        )
        expected = [
            [weight[i, j] + 0.5 * sum(up[i, r] * down[r, j] for r in range(2)) for j in range(4)]
            for i in range(5)
        ]
        np.testing.assert_allclose(merged["a.weight"], expected, rtol=1e-5)
        assert torch.equal(merged["b.weight"], torch.ones(3))


class TestPrompt:
    @pytest.fixture
    def processor(self, tiny_parts: LanguageModel) -> LlavaProcessor:
        return demo_processor(tiny_parts.tokenizer)

    def test_the_picture_stands_where_it_is_put(self, processor: LlavaProcessor) -> None:
        end = "<|im_end|>\n<|im_start|>assistant\n"
        first = chat(processor, [IMAGE, text("Is it?")])
        last = chat(processor, [text("Is it?"), IMAGE])
        assert first == f"<|im_start|>user\n{IMAGE_TOKEN}\nIs it?{end}"
        assert last == f"<|im_start|>user\nIs it?\n{IMAGE_TOKEN}{end}"

    def test_plain_text_is_fine_too(self, processor: LlavaProcessor) -> None:
        assert chat(processor, "Hello") == (
            "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
        )

    @pytest.mark.parametrize("size", [(128, 128), (40, 300), (501, 77)])
    def test_any_picture_becomes_64_tokens(
        self, processor: LlavaProcessor, size: tuple[int, int]
    ) -> None:
        prompt = chat(processor, [IMAGE, text("?")])
        batch = processor(images=[Image.new("RGB", size)], text=prompt, return_tensors="pt")
        image = processor.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        assert int((batch["input_ids"] == image).sum()) == 64
        assert tuple(batch["pixel_values"].shape) == (1, 3, 128, 128)

    def test_nothing_is_cropped_away(self, processor: LlavaProcessor) -> None:
        wide = Image.new("RGB", (400, 100), "black")
        wide.paste((255, 255, 255), (0, 0, 40, 100))
        wide.paste((255, 255, 255), (360, 0, 400, 100))
        pixels = processor.image_processor([wide], return_tensors="pt")["pixel_values"][0]
        assert pixels[:, 64, 4].min() > 0.95
        assert pixels[:, 64, 123].min() > 0.95
        assert pixels[:, 64, 64].max() < -0.95

    def test_a_picture_of_the_right_size_is_only_scaled(self, processor: LlavaProcessor) -> None:
        values = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        batch = processor.image_processor([Image.fromarray(values)], return_tensors="pt")
        expected = values.transpose(2, 0, 1) / 127.5 - 1
        np.testing.assert_allclose(batch["pixel_values"][0].numpy(), expected, atol=1e-5)


class TestAssembling:
    def test_every_layer_of_the_tower_is_used(self, tiny_parts: LanguageModel) -> None:
        model = new_model(tiny_parts)
        assert sum(p.numel() for p in model.model.vision_tower.parameters()) < 12_000_000
        pixels = torch.randn(1, 3, 128, 128)
        with torch.inference_mode():
            states = model.model.vision_tower(pixels).last_hidden_state
            direct = model.model.multi_modal_projector(states[:, 1:])
            features = model.get_image_features(pixels).pooler_output[0]
        assert tuple(features.shape) == (64, 32)
        torch.testing.assert_close(features, direct[0])

    def test_the_trained_parts_come_in(self, tiny_parts: LanguageModel, tmp_path: Path) -> None:
        torch.manual_seed(1)
        tensors = trained_parts(new_model(tiny_parts))
        save_file(tensors, tmp_path / "w.safetensors", metadata={"lora_scale": "2.0"})
        model = assemble(tiny_parts, tmp_path / "w.safetensors")
        name = "layers.1.mlp.up_proj"
        update = (
            tensors[f"language_model.{name}.lora_B"].double()
            @ tensors[f"language_model.{name}.lora_A"].double()
        )
        expected = tiny_parts.state_dict[f"{name}.weight"].double() + 2 * update
        torch.testing.assert_close(
            model.model.language_model.state_dict()[f"{name}.weight"].double(),
            expected,
            rtol=1e-4,
            atol=1e-4,
        )
        projector = model.model.multi_modal_projector.linear_1.weight
        assert torch.equal(projector.half(), tensors["multi_modal_projector.linear_1.weight"])

    def test_parts_that_do_not_fit_are_refused(
        self, tiny_parts: LanguageModel, tmp_path: Path
    ) -> None:
        tensors = trained_parts(new_model(tiny_parts))
        tensors["multi_modal_projector.linear_1.weight"] = torch.ones(3, 3)
        save_file(tensors, tmp_path / "w.safetensors", metadata={"lora_scale": "2.0"})
        with pytest.raises(ModelError, match="do not fit") as caught:
            assemble(tiny_parts, tmp_path / "w.safetensors")
        assert "w.safetensors" in str(caught.value)

    def test_it_opens_like_any_other_model(self, tiny_parts: LanguageModel, tmp_path: Path) -> None:
        model = new_model(tiny_parts)
        save_model(model, tiny_parts.tokenizer, tmp_path)
        opened, info = LlavaForConditionalGeneration.from_pretrained(
            tmp_path, dtype=torch.float32, output_loading_info=True
        )
        assert not info["missing_keys"]
        assert not info["unexpected_keys"]
        processor = AutoProcessor.from_pretrained(tmp_path)
        assert processor.chat_template == CHAT_TEMPLATE
        batch = processor(
            images=[Image.new("RGB", (128, 128))],
            text=chat(processor, [IMAGE, text("?")]),
            return_tensors="pt",
        )
        with torch.inference_mode():
            torch.testing.assert_close(opened(**batch).logits, model.float()(**batch).logits)


@pytest.fixture(scope="module")
def demo() -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    path = demo_model_path()
    model = LlavaForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(path)


def answer(
    demo: tuple[LlavaForConditionalGeneration, LlavaProcessor],
    records: list[Record],
    *,
    side: str = "left",
    picture_first: bool = True,
) -> list[str]:
    model, processor = demo
    turns = [[IMAGE, text(record.question)] for record in records]
    prompts = [chat(processor, turn if picture_first else turn[::-1]) for turn in turns]
    images = [record.images[0] for record in records]
    batch = processor(
        images=images, text=prompts, return_tensors="pt", padding=True, padding_side=side
    )
    if side == "right":  # the last real token's logits, since generation needs the left
        with torch.inference_mode():
            logits = model(**batch).logits
        last = batch["attention_mask"].sum(1) - 1
        best = logits[torch.arange(len(records)), last].argmax(-1)
        return [str(processor.decode(token)) for token in best]
    with torch.inference_mode():
        ids = model.generate(**batch)[:, batch["input_ids"].shape[1] :]
    return [str(line) for line in processor.batch_decode(ids)]


@pytest.mark.demo
class TestTheDemoModel:
    def test_later_calls_are_quick(self) -> None:
        path = demo_model_path()
        start = time.perf_counter()
        assert demo_model_path() == path
        assert time.perf_counter() - start < 5
        assert is_intact(path)

    def test_it_answers_and_stops(
        self, demo: tuple[LlavaForConditionalGeneration, LlavaProcessor]
    ) -> None:
        records = make_task("presence", n=16, split="test")
        answers = answer(demo, records)
        assert {line.replace("<|endoftext|>", "") for line in answers} == {
            "Yes<|im_end|>",
            "No<|im_end|>",
        }
        right = [
            line.lower().startswith(r.label or "?")
            for line, r in zip(answers, records, strict=True)
        ]
        assert np.mean(right) >= 0.75

    def test_the_side_of_the_padding_does_not_matter(
        self, demo: tuple[LlavaForConditionalGeneration, LlavaProcessor]
    ) -> None:
        records = make_task("left", n=4, split="test") + make_task("focus", n=2, split="test")
        left = [line.split("<")[0] for line in answer(demo, records)]
        assert left == answer(demo, records, side="right")

    def test_it_also_reads_the_question_first(
        self, demo: tuple[LlavaForConditionalGeneration, LlavaProcessor]
    ) -> None:
        records = make_task("easyvqa-shape", n=8, split="test")
        answers = answer(demo, records, picture_first=False)
        right = [line.startswith(f"{r.label}<") for line, r in zip(answers, records, strict=True)]
        assert np.mean(right) >= 0.75
