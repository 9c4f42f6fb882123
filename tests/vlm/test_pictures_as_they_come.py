"""Pictures as users have them, from the file to the states of the model's layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from superneurons.errors import DataError
from superneurons.task.images import check_images, open_image
from superneurons.task.notices import DataNotice
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from unusual_pictures import halves, unusable_pictures, usable_pictures

# What is said of the pictures that are not read as they are stored.
SAID = {
    "transparent": {
        "clear", "clear grey", "clear palette", "moving gif", "moving png", "moving webp",
        "still gif",
    },
    "frames": {"moving gif", "moving png", "moving webp", "pages", "preview"},
    "16-bit": {"deep colours", "deep png", "deep tiff", "deep tiff on its side"},
    "CMYK": {"print"},
}  # fmt: skip


@pytest.fixture(scope="module")
def usable(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return usable_pictures(tmp_path_factory.mktemp("usable"))


def test_every_kind_of_file_shows_the_same(usable: dict[str, Path]) -> None:
    expected = np.asarray(halves()).astype(int)
    assert len(usable) == 18
    for name, path in usable.items():
        opened = open_image(path)
        assert (opened.mode, opened.size) == ("RGB", (40, 28)), name
        assert np.abs(np.asarray(opened) - expected).mean() < 2, name


def test_every_kind_of_file_is_seen_the_same(vlm: VLM, usable: dict[str, Path]) -> None:
    asked = [Record((path,), "Is it dark?", id=name) for name, path in usable.items()]
    plain = vlm.encode([Record((halves(),), "Is it dark?")])
    seen, expected = vlm.encode(asked), vlm.last_states(plain).residual
    for name, tensor in plain.tensors.items():
        if not tensor.is_floating_point():
            assert torch.equal(seen.tensors[name][: len(tensor)], tensor)
    other = vlm.last_states(vlm.encode([Record((halves(right="red"),), "Is it dark?")])).residual
    far = (other - expected).norm()
    for record, states in zip(asked, vlm.last_states(seen).residual, strict=True):
        assert (states - expected[0]).norm() < far / 3, record.id


def test_all_that_is_done_to_pictures_is_said_at_once(usable: dict[str, Path]) -> None:
    with pytest.warns(DataNotice) as told:
        check_images([Record((path,), "?") for path in usable.values()])
    (notice,) = (warning.message for warning in told)
    assert isinstance(notice, DataNotice)
    expected = {(kind, str(usable[name])) for kind, names in SAID.items() for name in names}
    assert notice.told == expected


def test_all_that_cannot_be_used_is_named_at_once(usable: dict[str, Path], tmp_path: Path) -> None:
    bad = unusable_pictures(tmp_path)
    good = [Record((path,), "?", id=name) for name, path in usable.items()]
    records = good[:3] + [Record((path,), "?", id=path.name) for path in bad] + good[3:]
    with pytest.raises(DataError, match=f"{len(bad)} of {len(records)} pictures") as caught:
        check_images(records)
    assert [problem.where for problem in caught.value.problems] == [path.name for path in bad]
    for problem, (path, said) in zip(caught.value.problems, bad.items(), strict=True):
        assert str(path) in problem.what
        assert said in problem.what
    assert caught.value.mend


def test_a_file_that_cannot_be_used_is_refused_by_the_model_too(vlm: VLM, tmp_path: Path) -> None:
    for path, said in unusable_pictures(tmp_path).items():
        with pytest.raises(DataError, match=said) as caught:
            vlm.encode([Record((halves(),), "?"), Record((path,), "?")])
        assert caught.value.where == str(path)


def refusal(vlm: VLM, records: list[Record]) -> DataError | None:
    try:
        vlm.encode(records)
    except DataError as error:
        return error
    return None


SHAPES = [(1, 1), (2, 1), (1, 20_000), (20_000, 200), (20_000, 100), (201, 1), (1, 400)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]} x {shape[1]}")
def test_a_picture_of_any_shape_is_seen_or_refused_by_name(
    vlm: VLM, shape: tuple[int, int]
) -> None:
    plain = [Record((halves(),), "Is it red?", id=f"plain:{number}") for number in range(2)]
    odd = Record((Image.new("RGB", shape, "red"),), "Is it red?", id="odd:7")
    asked = [plain[0], odd, plain[1]]
    if (error := refusal(vlm, asked)) is not None:
        assert min(shape) == 1, "not that narrow"
        assert [problem.where for problem in error.problems] == ["odd:7"]
        assert f"picture 1 ({shape[0]} × {shape[1]} pixels)" in error.problems[0].what
        assert "Crop" in str(error.mend)
    else:
        states = vlm.last_states(vlm.encode(asked)).residual
        assert states.isfinite().all()
        alone = vlm.last_states(vlm.encode(plain[:1])).residual
        torch.testing.assert_close(states[:1], alone, atol=1e-3, rtol=1e-3)
        assert not torch.allclose(states[1], states[0])


def test_of_a_batch_every_picture_that_is_refused_is_named(vlm: VLM) -> None:
    strip, plain = Image.new("RGB", (1, 20_000)), halves()
    shown = [(plain,), (strip,), (plain, strip), (plain,)]
    records = [Record(images, "Why?", id=f"a.jsonl:{n}") for n, images in enumerate(shown)]
    error = refusal(vlm, records)
    if error is not None:
        assert [problem.where for problem in error.problems] == ["a.jsonl:1", "a.jsonl:2"]
    assert (error is None) == (refusal(vlm, records[1:2]) is None)
    assert refusal(vlm, [records[0], records[3]]) is None


def test_too_narrow_for_a_family_that_keeps_the_shape_of_pictures(vlm: VLM) -> None:
    if vlm.family.name != "Qwen3-VL":
        pytest.skip("others take it, or refuse it in words of their own")
    records = [Record((halves(),), "?"), Record((Image.new("RGB", (1, 20_000)),), "?", id="odd:7")]
    with pytest.raises(DataError, match=r"odd:7: .*aspect ratio must be smaller than 200"):
        vlm.encode(records)


@pytest.mark.parametrize("error", [IndexError("list index"), ZeroDivisionError("by zero"), OSError])
def test_whatever_a_processor_raises_the_record_is_named(
    vlm: VLM, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = type(vlm.processor).__call__

    def fail(processor: object, *, images: list[list[Image.Image]], **options: object) -> object:
        if any(picture.size == (1, 1) for pictures in images for picture in pictures):
            raise error
        return own(processor, images=images, **options)

    monkeypatch.setattr(type(vlm.processor), "__call__", fail)
    records = [Record((halves(),), "?"), Record((Image.new("RGB", (1, 1)),), "?", id="dot:1")]
    with pytest.raises(DataError, match=r"1 of 2 records\.\n  dot:1: picture 1 \(1 × 1 pixels\)"):
        replace(vlm, preparation="processor").encode(records)


def test_a_panorama_over_the_limit_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("1", (20_000, 4_600)).save(path)
    with pytest.raises(DataError, match="more than 89,478,485 pixels") as caught:
        open_image(path)
    assert "PIL.Image.MAX_IMAGE_PIXELS" in caught.value.what
