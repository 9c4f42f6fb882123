from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from common import Clock
from lora import add_lora, lora_parameters
from patches import front_loss, practice_split
from score_tasks import calibrated, score
from train_vision import looks, normalise

from export import export
from superneurons.demo.atlas import UNLABELLED, load_atlas
from superneurons.demo.language_model import LanguageModel
from superneurons.demo.model import assemble, new_model


def test_what_is_exported_is_what_is_assembled(tiny_parts: LanguageModel, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = new_model(tiny_parts)
    add_lora(model.model.language_model, rank=2, scale=2.0)
    for parameter in lora_parameters(model):
        torch.nn.init.normal_(parameter, std=0.1)
    export(model, tmp_path / "w.safetensors", lora_scale=2.0)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    again = assemble(tiny_parts, tmp_path / "w.safetensors")
    image = tiny_parts.tokenizer.convert_tokens_to_ids("<filename>")
    inputs = {
        "input_ids": torch.tensor([[1, *[image] * 64, 9, 8]]),
        "pixel_values": torch.randn(1, 3, 128, 128),
    }
    with torch.inference_mode():  # float16 on the way
        torch.testing.assert_close(
            again(**inputs).logits, model(**inputs).logits, atol=5e-3, rtol=5e-3
        )


def test_what_float16_cannot_hold_is_not_exported(
    tiny_parts: LanguageModel, tmp_path: Path
) -> None:
    model = new_model(tiny_parts)
    torch.nn.init.constant_(model.model.multi_modal_projector.linear_1.bias, 1e6)
    with pytest.raises(ValueError, match=r"linear_1\.bias"):
        export(model, tmp_path / "w.safetensors", lora_scale=2.0)


def test_rates_rise_by_steps_and_fall_with_the_clock() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    clock = Clock(optimizer, 0.2, warm_up=4, untimed=0)
    rates = []
    while clock.tick():
        rates.append(optimizer.param_groups[0]["lr"])
        time.sleep(0.01)
    assert rates[0] == pytest.approx(0.5, rel=0.1)
    assert max(rates) <= 2.0
    assert rates[-1] < 0.2
    assert clock.share == 1.0


class TestNaming:
    def test_unsure_patches_do_not_count(self) -> None:
        logits = torch.randn(1, 64, 4)
        front = torch.full((1, 8, 8), -100)
        front[0, 0, 0] = 2
        expected = -logits[0, 0].log_softmax(-1)[2]
        torch.testing.assert_close(front_loss(logits, front), expected)

    def test_background_counts_less(self) -> None:
        logits = torch.randn(1, 64, 4)
        front = torch.full((1, 8, 8), -100)
        front[0, 0, 0], front[0, 0, 1] = 1, -1
        losses = -logits[0].log_softmax(-1)
        expected = (losses[0, 1] + 0.15 * losses[1, 3]) / 1.15
        torch.testing.assert_close(front_loss(logits, front), expected)

    def test_practice_takes_names_from_clip_art_of_well_known_classes(self) -> None:
        atlas = load_atlas()
        fewer, practice = practice_split(atlas, 0.1, seed=0)
        assert len(practice) > 50
        changed = np.flatnonzero(fewer.labels != atlas.labels)
        assert np.array_equal(changed, practice)
        assert (fewer.labels[practice] == UNLABELLED).all()
        assert all(atlas.sources[index].startswith("openclipart/") for index in practice)
        assert atlas.seen[practice].all()
        left = np.bincount(fewer.labels[fewer.labels >= 0], minlength=len(atlas.classes))
        assert left.min() >= 2


class TestLooks:
    def test_pictures_come_as_the_processor_gives_them(self) -> None:
        pictures = torch.tensor([0, 255], dtype=torch.uint8)
        assert normalise(pictures).tolist() == [-1.0, 1.0]

    def test_colour_contrast_and_sharpness_are_told_apart(self) -> None:
        flat = torch.full((1, 3, 128, 128), 51, dtype=torch.uint8)
        ramp = torch.linspace(0, 255, 16).repeat(8).to(torch.uint8).expand(1, 3, 128, 128)
        checks = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
        checks[..., ::2, ::2] = checks[..., 1::2, 1::2] = 255
        facts = [looks(picture)[0, 27] for picture in (flat, ramp, checks)]
        torch.testing.assert_close(facts[0][:3], torch.full((3,), 2 * 0.2 - 1))
        assert facts[0][3] < facts[1][3] < facts[2][3]
        assert facts[0][4] < facts[1][4] < facts[2][4]


class TestScoring:
    def test_balanced_accuracy_and_its_interval(self) -> None:
        truth = np.array([0] * 8 + [1] * 2)
        guess = np.array([0] * 6 + [1] * 2 + [1, 0])
        figures = score(truth, guess)
        assert figures["accuracy"] == pytest.approx(0.7)
        assert figures["balanced"] == pytest.approx((6 / 8 + 1 / 2) / 2)
        variance = (0.75 * 0.25 / 8 + 0.5 * 0.5 / 2) / 4
        assert figures["balanced_interval"] == pytest.approx(1.96 * variance**0.5)

    def test_a_shifted_logit_is_set_right(self) -> None:
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 2, 400)
        gap = truth + 5 + 0.1 * rng.normal(size=400)
        logits = np.stack([np.zeros(400), gap], axis=1)
        assert (calibrated(logits[:200], truth[:200], logits[200:]) == truth[200:]).all()
