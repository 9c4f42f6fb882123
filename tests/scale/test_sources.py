from __future__ import annotations

from pathlib import Path

import pytest

from pictures import bright_records
from scale.tables import shard_files, write_jsonl, write_parquet, write_shard
from superneurons.errors import DataError
from superneurons.scale.sources import blocks_of

RECORDS = bright_records(7)


def test_blocks_cover_the_data_once(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path, RECORDS)
    blocks = blocks_of(path, 3)
    assert [block.first for block in blocks] == [1, 4, 7]
    assert blocks[0].start == 0
    assert [b.stop for b in blocks[:-1]] == [b.start for b in blocks[1:]]
    assert blocks[-1].stop == path.stat().st_size


def test_the_same_data_give_the_same_blocks_and_others_do_not(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path, RECORDS)
    before = blocks_of(path, 3)
    assert blocks_of(path, 3) == before
    path.write_text(path.read_text().replace("006.png", "005.png"))
    after = blocks_of(path, 3)
    assert after[:2] == before[:2]
    assert after[2].digest != before[2].digest


def test_folders_and_patterns_of_files(tmp_path: Path) -> None:
    for n in range(3):
        write_shard(tmp_path / f"s{n}.tar", shard_files(RECORDS[n : n + 1]))
    (tmp_path / "notes.txt").write_text("no data")
    of_folder = blocks_of(tmp_path, 100)
    assert [block.path.name for block in of_folder] == ["s0.tar", "s1.tar", "s2.tar"]
    assert len({block.digest for block in of_folder}) == 3
    assert [b.path.name for b in blocks_of(f"{tmp_path}/s[1-2]*", 9)] == ["s1.tar", "s2.tar"]
    write_parquet(tmp_path / "p.parquet", RECORDS)
    assert {block.kind for block in blocks_of(tmp_path, 4)} == {"shard", "parquet"}


def test_a_csv_is_read_once_and_sent_along(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("image,question\na.png,Red?\n" + "b.png,Blue?\n" * 4)
    blocks = blocks_of(tmp_path / "x.csv", 2)
    assert [(block.start, block.stop) for block in blocks] == [(0, 2), (2, 4), (4, 5)]
    assert blocks[1].digest != blocks[0].digest


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.jsonl", "no such file"), ("empty.jsonl", "no records"), ("x.docx", "not read"),
     ("none*.tar", "no records"), ("bad.parquet", "not a readable Parquet")],
)  # fmt: skip
def test_what_cannot_be_parted_is_refused(tmp_path: Path, name: str, said: str) -> None:
    for given, content in (("empty.jsonl", "\n\n"), ("x.docx", "x"), ("bad.parquet", "x")):
        (tmp_path / given).write_text(content)
    with pytest.raises(DataError, match=said):
        blocks_of(tmp_path / name, 4)


def test_an_empty_table_has_no_blocks(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", RECORDS[:1])
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(tmp_path / "x.parquet")[:0], tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no records"):
        blocks_of(tmp_path / "x.parquet", 4)
