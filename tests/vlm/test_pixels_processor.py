from __future__ import annotations

import copy
import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from devices import DEVICES
from jpegs import Decoder, install, jpeg_of, picture
from superneurons.errors import DataError, ModelError
from superneurons.task.images import embedded_image
from superneurons.task.record import Record
from superneurons.vlm import pixels_processor
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.model import VLM
from superneurons.vlm.pixels import PixelPreparer, pixel_preparer
from superneurons.vlm.pixels_processor import OnDevice, processor_on
from superneurons.vlm.preparation import PREPARATIONS, Preparation

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


def test_a_processor_that_makes_more_than_these_is_left_alone(vlm: VLM) -> None:
    processor = own(vlm)

    class Marking(type(processor)):  # type: ignore[misc]
        def __call__(self, **options: Any) -> Any:
            made = dict(super().__call__(**options))
            return {**made, "token_type_ids": torch.zeros_like(made["input_ids"])}

    processor.__class__ = Marking
    found = on(vlm, processor)  # a warning would be an error here
    assert (found.processor, found.reason) == (None, "its processor also makes token_type_ids")


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_what_there_is_can_be_asked_for(vlm: VLM, preparation: Preparation) -> None:
    assert replace(vlm, preparation=preparation).preparation == preparation


def test_an_unknown_preparation_is_refused_with_those_there_are(vlm: VLM) -> None:
    with pytest.raises(ModelError, match="Unknown preparation 'jpg'") as said:
        replace(vlm, preparation="jpg")  # type: ignore[arg-type]
    assert str(said.value).endswith("Use one of: auto, device, processor, jpeg.")


def mixed(folder: Path) -> list[Record]:
    """Pictures in files and in memory, JPEGs and others, two in one record."""
    files = {
        "plain.jpg": jpeg_of(),
        "grey.jpg": jpeg_of(picture(40, 56, "L")),
        "cmyk.jpg": jpeg_of(picture(40, 56, "CMYK")),
        "other.jpg": jpeg_of(picture(30, 44)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    picture(31, 31).save(folder / "a.png")
    shown: list[tuple[Path | Image.Image, ...]] = [
        *((folder / name,) for name in (*files, "a.png")),
        (embedded_image(files["plain.jpg"]), folder / "other.jpg"),
        (picture(22, 60),),
    ]
    return [Record(pictures, f"Is it number {i}?") for i, pictures in enumerate(shown)]


@pytest.mark.parametrize("off", [0, 1])
def test_jpegs_decoded_there_are_prepared_there(
    vlm: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    decoder = Decoder(off)
    install(monkeypatch, decoder)
    by_pillow = replace(vlm, preparation="device").encode(mixed(tmp_path))
    assert decoder.given == []
    found = replace(vlm, preparation="jpeg").encode(mixed(tmp_path))
    plain = [tmp_path / name for name in ("plain.jpg", "grey.jpg", "other.jpg")]
    contents = [path.read_bytes() for path in plain]
    assert decoder.given[2:] == [*contents, contents[0], contents[2]]  # after two made up
    assert found.pictures == by_pillow.pictures
    assert found.tensors.keys() == by_pillow.tensors.keys()
    moved = 0.0
    for name, wanted in by_pillow.tensors.items():
        if name == "pixel_values":
            moved = float((found.tensors[name] - wanted).max())
        else:
            assert torch.equal(found.tensors[name], wanted)
    preparer = pixel_preparer(vlm.processor, CPU)
    assert preparer is not None
    assert moved == pytest.approx(off * preparer.level, rel=1e-3)


@pytest.mark.parametrize("preparation", ["auto", "processor", "device"])
def test_nothing_else_decodes_there(
    vlm: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preparation: Preparation
) -> None:
    decoder = Decoder()
    install(monkeypatch, decoder)
    replace(vlm, preparation=preparation).encode(mixed(tmp_path))
    assert decoder.given == []


def test_without_a_decoder_there_pictures_are_prepared_as_on_the_device(
    vlm: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, None)
    expected = replace(vlm, preparation="device").encode(mixed(tmp_path))
    there = replace(vlm, preparation="jpeg")
    with pytest.warns(AccelerationWarning, match="torchvision can't be imported") as said:
        found = [there.encode(mixed(tmp_path)) for _ in range(2)]
    assert len(said) == 1
    for inputs in found:
        assert all(torch.equal(inputs.tensors[n], value) for n, value in expected.tensors.items())


def test_where_nothing_prepares_on_the_device_pillow_decodes_with_one_warning(
    vlm: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder()
    install(monkeypatch, decoder)
    processor = own(vlm)
    processor.image_processor.resample = 0
    unknown = replace(vlm, processor=processor, preparation="jpeg")
    with pytest.warns(
        AccelerationWarning, match=r"not prepared on cpu, since .* not known"
    ) as said:
        found = [unknown.encode(mixed(tmp_path)) for _ in range(2)]
    assert len(said) == 1
    assert decoder.given == []
    expected = replace(unknown, preparation="processor").encode(mixed(tmp_path))
    for inputs in found:
        assert all(torch.equal(inputs.tensors[n], value) for n, value in expected.tensors.items())


@pytest.mark.parametrize("name", ["missing.jpg", "short.jpg"])
def test_a_bad_jpeg_is_refused_the_same_wherever_it_is_decoded(
    llava: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    install(monkeypatch, Decoder())
    (tmp_path / "short.jpg").write_bytes(jpeg_of()[:-99])
    record = Record((tmp_path / name,), "What is it?")
    said = []
    for preparation in ("processor", "jpeg"):
        with pytest.raises(DataError) as error:
            replace(llava, preparation=preparation).encode([record])
        said.append(str(error.value))
    assert said[0] == said[1]
    assert name in said[0]


def test_a_jpeg_that_the_processor_refuses_is_refused_with_its_size(
    vlm: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if vlm.family.picture_tokens is None:
        pytest.skip("its pictures all get one size")
    install(monkeypatch, Decoder())
    (tmp_path / "narrow.jpg").write_bytes(jpeg_of(picture(300, 1)))
    asked = [Record((picture(),), "One?"), Record((tmp_path / "narrow.jpg",), "Two?")]
    with pytest.raises(DataError, match="aspect ratio"):
        replace(vlm, preparation="jpeg").encode(asked)
