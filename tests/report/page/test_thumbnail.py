from __future__ import annotations

import base64

import pytest

from report.runs import thumbnail
from superneurons.report.page.thumbnail import safe_thumbnail

_JPEG = thumbnail(90)


def test_a_small_jpeg_is_shown_as_it_is() -> None:
    assert safe_thumbnail(_JPEG) == _JPEG


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "javascript:alert(1)",
        "https://example.org/a.jpg",
        "//example.org/a.jpg",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:text/html;base64,PHNjcmlwdD4=",
        _JPEG.replace("image/jpeg", "image/png"),
        _JPEG.replace("image/jpeg", "IMAGE/JPEG"),
        " " + _JPEG,
        _JPEG + "\n",
        _JPEG + '" onerror="alert(1)',
        _JPEG[:-3],
        "data:image/jpeg;base64," + base64.b64encode(b"<svg onload=alert(1)>").decode(),
        "data:image/jpeg;base64,=" + "A" * 8,
        "data:image/jpeg;base64," + "/9j/" * 40_000,
    ],
)
def test_all_else_is_not(uri: str) -> None:
    assert safe_thumbnail(uri) is None
