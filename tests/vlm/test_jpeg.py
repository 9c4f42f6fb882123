from __future__ import annotations

import re
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from devices import DEVICES
from jpegs import Decoder, install, jpeg_of, levels_of, picture
from superneurons.errors import DataError
from superneurons.task.images import check_images, embedded_image, open_image
from superneurons.task.record import Record
from superneurons.vlm import jpeg
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.jpeg import decoded_on, opened_on, why_not_on

CPU = torch.device("cpu")


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    """One that is off by a level, compared with Pillow's already."""
    there = Decoder()
    install(monkeypatch, there)
    assert why_not_on(CPU) == ""
    there.given.clear()
    return there


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return jpeg_of(exif=exif)


def by_adobe(transform: int | None) -> bytes:
    """With Adobe's marker, or none, in the place of JFIF's."""
    content = jpeg_of(subsampling="4:4:4")
    assert content[2:4] == b"\xff\xe0"
    after = 4 + int.from_bytes(content[4:6], "big")
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(4) + bytes([transform or 0])
    return content[:2] + (b"" if transform is None else marker) + content[after:]


def lettered(content: bytes) -> bytes:
    """Components named R, G, B, in the frame and in the scan."""
    frame, scan = content.index(b"\xff\xc0"), content.index(b"\xff\xda")
    changed = bytearray(content)
    for number, letter in enumerate(b"RGB"):
        changed[frame + 10 + 3 * number] = changed[scan + 5 + 2 * number] = letter
    return bytes(changed)


def sampled(factors: int) -> bytes:
    """Luma sampled as in few files: 0x41 is four samples wide to one of chroma."""
    changed = bytearray(jpeg_of(picture(8, 8), subsampling="4:4:4"))
    changed[changed.index(b"\xff\xc0") + 11] = factors
    return bytes(changed)


PLAIN = {
    "colour, 4:2:0": jpeg_of(subsampling="4:2:0"),
    "colour, 4:2:2": jpeg_of(subsampling="4:2:2"),
    "colour, 4:4:4": jpeg_of(subsampling="4:4:4"),
    "named Y, Cb, Cr by Adobe": by_adobe(1),
    "named by nobody": by_adobe(None),
    "grey": jpeg_of(picture(mode="L")),
    "progressive": jpeg_of(progressive=True),
    "upright": turned(1),
    "one pixel": jpeg_of(picture(1, 1)),
    "a comment": jpeg_of(comment=b"\xff\xd8"),
    "as wide as high": jpeg_of(picture(33, 33)),
}
FOR_PILLOW = {
    "turned": turned(6),
    "mirrored": turned(2),
    "turned as nobody knows": turned(9),
    "CMYK": jpeg_of(picture(mode="CMYK")),
    "RGB, not YCbCr": jpeg_of(keep_rgb=True),
    "RGB by its components' names": lettered(by_adobe(None)),
    "RGB by Adobe": by_adobe(0),
    "grey in blocks of two": jpeg_of(picture(mode="L"), subsampling="4:2:0"),
    "chroma halved in height only": sampled(0x12),
    "chroma quartered": sampled(0x41),
    "more after the end": jpeg_of() + b"more",
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_jpeg_is_decoded_there(decoder: Decoder, tmp_path: Path, name: str) -> None:
    content = PLAIN[name]
    expected = (levels_of(content).int() + 1).clamp(0, 255).to(torch.uint8)
    image = embedded_image(content)
    for source in (written(tmp_path / "a.jpg", content), image):
        found = decoded_on(source, CPU)
        assert found is not None
        assert found.dtype == torch.uint8
        assert torch.equal(found, expected)
        assert torch.equal(torch.as_tensor(opened_on(source, CPU)), expected)
    assert decoder.given == [content] * 4
    assert image.tile  # type: ignore[attr-defined]  # Pillow has not decoded it


@pytest.mark.parametrize("name", FOR_PILLOW)
def test_others_are_left_to_pillow(decoder: Decoder, tmp_path: Path, name: str) -> None:
    content = FOR_PILLOW[name]
    expected = open_image(embedded_image(content))
    for source in (written(tmp_path / "a.jpg", content), embedded_image(content)):
        assert decoded_on(source, CPU) is None
        assert opened_on(source, CPU) == expected
    assert decoder.given == []


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "mpo"])
def test_other_formats_are_left_to_pillow_whatever_their_name(
    decoder: Decoder, tmp_path: Path, suffix: str
) -> None:
    made = tmp_path / f"a.{suffix}"
    more = {"save_all": True, "append_images": [picture(9, 9)]} if suffix == "mpo" else {}
    picture().save(made, **more)
    named = made.rename(tmp_path / "a.jpg")
    assert decoded_on(named, CPU) is None
    assert opened_on(named, CPU) == open_image(named)
    assert decoder.given == []


def test_a_picture_opened_from_a_file_is_read_from_it_again(
    decoder: Decoder, tmp_path: Path
) -> None:
    content = jpeg_of()
    path = written(tmp_path / "a.jpg", content)
    with Image.open(path) as image:
        assert decoded_on(image, CPU) is not None
        assert decoder.given == [content]
        assert np.array_equal(np.asarray(image), levels_of(content))  # Pillow still can


def test_another_file_by_that_name_is_not_read(decoder: Decoder, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jpg", jpeg_of())
    with Image.open(path) as image:
        written(tmp_path / "b.jpg", jpeg_of(picture().rotate(180))).replace(path)
        assert decoded_on(image, CPU) is None
        path.unlink()
        assert opened_on(image, CPU) == open_image(embedded_image(jpeg_of()))
    assert decoder.given == []


def test_bytes_of_a_kind_of_their_own_are_left_to_pillow(decoder: Decoder) -> None:
    class Stream(BytesIO):
        """Might count what is read."""

    with Image.open(Stream(jpeg_of())) as image:
        assert decoded_on(image, CPU) is None
    assert decoder.given == []


def changed(image: Image.Image) -> None:
    image.putpixel((0, 0), (1, 2, 3))


def half(image: Image.Image) -> None:
    image.draft("RGB", (28, 20))


def loaded(image: Image.Image) -> None:
    image.load()


def checked(image: Image.Image) -> None:
    check_images([Record((image,), "?")])


@pytest.mark.parametrize("touch", [changed, half, loaded, checked])
def test_what_pillow_has_decoded_or_changed_stays_as_it_is(decoder: Decoder, touch: Any) -> None:
    image = embedded_image(jpeg_of())
    touch(image)
    assert decoded_on(image, CPU) is None
    assert opened_on(image, CPU) == open_image(image)
    assert decoder.given == []


def test_a_picture_without_a_file_stays_as_it_is(decoder: Decoder) -> None:
    for image in (picture(), embedded_image(jpeg_of()).resize((9, 9))):
        assert opened_on(image, CPU) == image


def test_a_jpeg_that_is_refused_there_is_decoded_by_pillow(
    decoder: Decoder, tmp_path: Path
) -> None:
    decoder.refuses = lambda content: b"progressive" in content
    content = jpeg_of(comment=b"progressive")
    path = written(tmp_path / "a.jpg", content)
    assert decoded_on(path, CPU) is None
    assert opened_on(path, CPU) == open_image(path)
    assert decoder.given == [content] * 2
    assert decoded_on(embedded_image(jpeg_of()), CPU) is not None  # the next one


def test_a_picture_of_another_size_than_the_file_says_is_not_taken(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = embedded_image(jpeg_of())
    monkeypatch.setattr(decoder, "decode_jpeg", lambda *_, **__: torch.zeros(3, 41, 56))
    assert decoded_on(image, CPU) is None


def bad_files() -> dict[str, bytes | None]:
    content = jpeg_of()
    return {
        "missing": None, "empty": b"", "cut short": content[:-200], "header only": content[:30],
        "no picture": b"\xff\xd8\xff and so on \xff\xd9", "without its end": content[:-2],
    }  # fmt: skip


@pytest.mark.parametrize("name", bad_files())
def test_a_bad_file_is_refused_as_ever(decoder: Decoder, tmp_path: Path, name: str) -> None:
    path, content = tmp_path / "a.jpg", bad_files()[name]
    if content is not None:
        path.write_bytes(content)
    assert decoded_on(path, CPU) is None
    with pytest.raises(DataError) as expected:
        open_image(path)
    with pytest.raises(DataError, match=re.escape(str(expected.value))):
        opened_on(path, CPU)
    assert decoder.given == []


def test_a_picture_with_too_many_pixels_is_refused_as_ever(
    decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, held = written(tmp_path / "a.jpg", jpeg_of()), embedded_image(jpeg_of())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 56)
    assert decoded_on(path, CPU) is not None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 56 - 1)
    decoder.given.clear()
    for source in (path, held):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            assert decoded_on(source, CPU) is None
            with pytest.raises(DataError, match=r"more than 2,239 pixels"):
                opened_on(source, CPU)
    assert decoder.given == []
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decoded_on(path, CPU) is not None


@pytest.mark.parametrize(
    ("decoder", "on", "reason"),
    [
        (Decoder(), "cuda", "needs a CUDA device, and the model is on cpu"),
        (None, "cpu", r"torchvision can't be imported \(import of torchvision"),
        (Decoder(off=4), "cpu", r"differs from Pillow's by \d\.\d levels"),
        (ModuleType("torchvision.io"), "cpu", r"can't decode on cpu \(module 'torchvision.io' has"),
    ],
)
def test_where_it_cannot_be_done_pillow_decodes_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, decoder: ModuleType | None, on: str, reason: str
) -> None:
    install(monkeypatch, decoder, on=on)
    image = embedded_image(jpeg_of())
    with pytest.warns(AccelerationWarning, match=f"decoded by Pillow, .* longer: .*{reason}"):
        assert decoded_on(image, CPU) is None
    assert opened_on(image, CPU) == open_image(image)  # another warning would be an error here
    assert re.search(reason, why_not_on(CPU))


def test_a_decoder_that_refuses_everything_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = Decoder()
    decoder.refuses = lambda _: True
    install(monkeypatch, decoder)
    with pytest.warns(AccelerationWarning, match="can't decode on cpu") as said:
        why_not_on(CPU)
    assert str(said[0].message).endswith("(nvjpegDecode failed: 2).")


@pytest.mark.parametrize("off", [0, 2])
def test_up_to_two_levels_in_the_mean_are_allowed(
    monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    install(monkeypatch, Decoder(off))
    assert why_not_on(CPU) == ""


def test_a_decoder_that_is_wrong_about_grey_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Colours(Decoder):
        def decode_jpeg(self, held: torch.Tensor, **options: Any) -> torch.Tensor:
            found = super().decode_jpeg(held, **options)
            if len(Image.open(BytesIO(self.given[-1])).getbands()) == 1:
                found[1:] = 128
            return found

    install(monkeypatch, Colours())
    with pytest.warns(AccelerationWarning, match="differs from Pillow's"):
        assert why_not_on(CPU)


def test_a_decoder_that_keeps_another_shape_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder()
    install(monkeypatch, decoder)
    monkeypatch.setattr(decoder, "decode_jpeg", lambda *_, **__: torch.zeros(3, 9, 9))
    with pytest.warns(AccelerationWarning, match=r"it made \(9, 9, 3\) of \(93, 131, 3\)"):
        assert why_not_on(CPU)


def test_a_device_is_compared_once_whichever_thread_asks_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = Decoder()
    install(monkeypatch, decoder)
    begun = threading.Barrier(4)

    def ask(_: int) -> str:
        begun.wait()
        return why_not_on(CPU)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [""] * 4
    shown = [Image.open(BytesIO(content)) for content in decoder.given]
    assert [image.mode for image in shown] == ["RGB", "L"]
    assert shown[0].layer[0][1:3] == (2, 2)  # type: ignore[attr-defined]  # chroma is halved


def test_torchvision_is_not_imported_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None, on="cuda")
    asked: list[str] = []
    monkeypatch.setattr(jpeg, "import_module", asked.append)
    with pytest.warns(AccelerationWarning):
        why_not_on(CPU)
    assert asked == []
    assert sys.modules["torchvision"] is None


@pytest.mark.skipif("cuda" not in DEVICES, reason="needs a GPU")
def test_a_gpu_gives_nearly_what_pillow_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision.io")
    monkeypatch.setattr(jpeg, "_reasons", {})
    device = torch.device("cuda:0")
    assert why_not_on(device) == ""
    for name, content in PLAIN.items():
        found = decoded_on(embedded_image(content), device)
        assert found is not None, name
        assert found.device == device
        halved = Image.open(BytesIO(content)).layer[0][1] == 2  # type: ignore[attr-defined]
        far = (found.cpu().float() - levels_of(content)).abs().mean()
        assert float(far) < (1.5 if halved else 0.1), name
    for content in FOR_PILLOW.values():
        assert decoded_on(embedded_image(content), device) is None
