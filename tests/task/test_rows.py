from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import DataError
from superneurons.task.rows import read_text


def test_a_byte_order_mark_is_dropped_and_line_ends_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(path) == "a\r\nb\rc\n"


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"one\ntwo\ncaf\xe9\n")
    with pytest.raises(DataError, match="not UTF-8") as caught:
        read_text(path)
    assert caught.value.where == f"{path}:3"
    path.write_text("image,label\n", encoding="utf-16")
    with pytest.raises(DataError, match="not UTF-8"):
        read_text(path)
