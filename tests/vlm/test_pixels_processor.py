from __future__ import annotations

import copy
import gc
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from devices import DEVICES
from superneurons.vlm import pixels_processor
from superneurons.vlm.model import VLM
from superneurons.vlm.pixels import PixelPreparer
from superneurons.vlm.pixels_processor import OnDevice, processor_on

CPU = torch.device("cpu")


def mark_of(vlm: VLM) -> str:
    return str(vlm.processor.tokenizer.convert_ids_to_tokens(vlm.model.config.image_token_id))


def on(vlm: VLM, processor: Any, device: str = "cpu") -> OnDevice:
    return processor_on(torch.device(device), processor, vlm.family, mark_of(vlm))


def own(vlm: VLM) -> Any:
    """The processor with an image processor of its own, which a test may change."""
    processor = copy.copy(vlm.processor)
    processor.image_processor = copy.deepcopy(vlm.processor.image_processor)
    return processor


@pytest.mark.parametrize("device", DEVICES)
def test_text_and_pictures_are_as_the_processor_makes_them(vlm: VLM, device: str) -> None:
    rng = np.random.default_rng(0)
    shown = [
        [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
        for sizes in ([(28, 28)], [(60, 20), (20, 33)], [(28, 28)])
    ]
    mark = mark_of(vlm)
    asked: dict[str, Any] = {
        "images": shown,
        "text": [f"{mark} One?", f"{mark} and {mark}: are there two?", f"Of {mark} the last?"],
        "padding": True,
        "return_tensors": "pt",
    }
    found = on(vlm, vlm.processor, device)
    assert found.processor is not None
    assert found.reason == ""
    for side in ("left", "right"):
        expected = vlm.processor(**asked, padding_side=side, add_special_tokens=False)
        ours = found.processor(**asked, padding_side=side, add_special_tokens=False)
        assert set(ours) == set(expected)
        for name, wanted in expected.items():
            torch.testing.assert_close(ours[name].cpu(), wanted, rtol=0, atol=1e-6)


def test_it_is_made_once_for_each_processor(vlm: VLM) -> None:
    first = on(vlm, vlm.processor)
    assert on(vlm, vlm.processor) is first
    assert on(vlm, own(vlm)) is not first


def test_a_processor_that_is_gone_is_forgotten(vlm: VLM) -> None:
    gc.collect()
    before = len(pixels_processor._known)
    processor = own(vlm)
    on(vlm, processor)
    assert len(pixels_processor._known) == before + 1
    del processor
    gc.collect()
    assert len(pixels_processor._known) == before


def test_each_processor_keeps_its_settings(vlm: VLM) -> None:
    brighter = own(vlm)
    brighter.image_processor.image_mean = [0.1, 0.1, 0.1]
    shown = {"images": [[Image.new("RGB", (9, 9), "grey")]], "text": [mark_of(vlm)]}
    values = [
        found.processor(**shown, return_tensors="pt")["pixel_values"].mean()
        for found in (on(vlm, vlm.processor), on(vlm, brighter))
        if found.processor is not None
    ]
    assert values[1] > values[0] + 0.5


def test_what_is_not_known_says_why(vlm: VLM) -> None:
    processor = own(vlm)
    processor.image_processor.resample = 0
    found = on(vlm, processor)
    assert found.processor is None
    assert "filter that is not known" in found.reason


@pytest.mark.parametrize("levels", [1, 2])
def test_more_than_a_level_off_is_refused_with_one_warning(
    vlm: VLM, levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = PixelPreparer.__call__

    def off(self: PixelPreparer, pictures: Any) -> dict[str, torch.Tensor]:
        found = prepare(self, pictures)
        found["pixel_values"][-1] += levels * self.factor / max(self.std)
        return found

    monkeypatch.setattr(PixelPreparer, "__call__", off)
    processor = own(vlm)
    if levels == 1:
        assert on(vlm, processor).processor is not None
        return
    with pytest.warns(RuntimeWarning, match="takes longer: prepared on cpu, pixel_values differs"):
        refused = on(vlm, processor)
    assert refused.processor is None
    assert on(vlm, processor) is refused  # said once: another warning would be an error here


def test_another_text_is_refused(vlm: VLM) -> None:
    processor = own(vlm)

    class Wordy(type(processor)):  # type: ignore[misc]
        def __call__(self, images: Any, text: Any, **options: Any) -> Any:
            return super().__call__(images=images, text=[f"Well: {t}" for t in text], **options)

    processor.__class__ = Wordy
    with pytest.warns(RuntimeWarning, match="differs"):
        assert on(vlm, processor).processor is None
