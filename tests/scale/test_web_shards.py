from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pictures import bright_records
from scale.tables import png, write_shard
from superneurons.errors import DataError, Problem
from superneurons.scale.web_shards import shard_rows
from superneurons.task.rows import Row

PICTURE = png(bright_records(1)[0])


def rows(path: Path) -> list[Row]:
    found = list(shard_rows(path))
    assert all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


def test_files_of_one_name_are_one_row(tmp_path: Path) -> None:
    shard = write_shard(
        tmp_path / "a.tar",
        {
            "x/001.PNG": PICTURE,
            "x/001.json": b'{"question": "Red?", "options": ["yes", "no"]}',
            "x/001.cls": b"yes\n",
            "x/002.jpg": b"two",
            "x/002.question": b"Blue?",
            "x/._003.png": b"of the machine it was made on",
        },
    )
    first, second = rows(shard)
    assert first.where == "a.tar:x/001"
    assert first.values == {
        "id": "x/001", "image": PICTURE, "question": "Red?", "options": ["yes", "no"],
        "label": "yes",
    }  # fmt: skip
    assert second.values == {"id": "x/002", "image": b"two", "question": "Blue?"}


def test_several_pictures_of_one_record(tmp_path: Path) -> None:
    files = {"1.left.png": b"l", "1.right.png": b"r", "1.json": b'{"id": "own"}'}
    (row,) = rows(write_shard(tmp_path / "a.tar", files))
    assert row.values == {"id": "own", "images": [b"l", b"r"]}


def test_compressed_shards(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", {"1.png": PICTURE})
    packed = tmp_path / "b.tar.gz"
    packed.write_bytes(gzip.compress(shard.read_bytes()))
    assert rows(packed)[0].values == rows(shard)[0].values


@pytest.mark.parametrize("bad", [b"{", b"[1]", b"\xff"])
def test_a_bad_part_is_that_row_s_problem(tmp_path: Path, bad: bytes) -> None:
    files = {"1.png": PICTURE, "1.json": bad, "2.png": PICTURE}
    first, second = shard_rows(write_shard(tmp_path / "a.tar", files))
    assert isinstance(first, Problem)
    assert first.where == "a.tar:1"
    assert isinstance(second, Row)


def test_a_shard_cut_short_gives_what_precedes_the_cut(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", {"1.png": PICTURE, "2.png": PICTURE, "3.png": PICTURE})
    shard.write_bytes(shard.read_bytes()[: 512 + (len(PICTURE) // 512 + 1) * 512 * 2])
    coming = shard_rows(shard)
    assert isinstance(next(coming), Row)
    with pytest.raises(DataError, match="cannot be read"):
        list(coming)


def test_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"not a tar file at all")
    with pytest.raises(DataError, match="cannot be read"):
        list(shard_rows(tmp_path / "a.tar"))
