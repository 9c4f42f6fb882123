from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pictures import bright_records
from scale.tables import all_rows, write_jsonl, write_parquet
from superneurons.errors import Problem
from superneurons.scale.blocks import Block, rows_of
from superneurons.scale.sources import blocks_of
from superneurons.task.readers import arrow, folder, jsonl
from superneurons.task.rows import Row


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_lines_are_named_as_in_the_whole_file(tmp_path: Path, size: int) -> None:
    path = write_jsonl(tmp_path, bright_records(7))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\n", 2))
    whole = list(jsonl.FORMAT.rows(path))
    assert [(r.where, r.values) for r in all_rows(path, size)] == [  # type: ignore[union-attr]
        (r.where, r.values) for r in whole if isinstance(r, Row)
    ]


def test_bad_lines_are_problems_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"image": "a"}\n{\n{"image": "\xff"}\n[]\n{"image": "b"}')
    found = all_rows(path, 2)
    assert [row.where for row in found] == [f"x.jsonl:{n}" for n in range(1, 6)]
    assert [isinstance(row, Problem) for row in found] == [False, True, True, True, False]


@pytest.mark.parametrize("size", [1, 3, 5, 7, 100])
def test_parquet_rows_are_named_as_in_the_whole_file(tmp_path: Path, size: int) -> None:
    path = write_parquet(tmp_path / "x.parquet", bright_records(12), rows_per_group=5)
    whole = [row for row in arrow.PARQUET.rows(path) if isinstance(row, Row)]
    found = [row for row in all_rows(path, size) if isinstance(row, Row)]
    assert [(row.where, row.values) for row in found] == [(r.where, r.values) for r in whole]


def test_saved_datasets_are_read_in_parts(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"image": list("abcdefg"), "question": ["?"] * 7})
    data.select([6, 5, 4, 3, 2]).save_to_disk(str(tmp_path / "saved"))
    found = [row for row in all_rows(tmp_path / "saved", 2) if isinstance(row, Row)]
    assert [row.values["image"] for row in found] == list("gfedc")
    assert [row.where for row in found] == [f"saved:{n}" for n in range(1, 6)]


def test_rows_that_are_in_it_travel_with_it(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "pictures", bright_records(5))
    (tmp_path / "pictures" / "records.jsonl").unlink()
    blocks = blocks_of(tmp_path / "pictures", 2)
    sent: list[Block] = pickle.loads(pickle.dumps(blocks))
    assert sent == blocks
    found = [row.where for block in sent for row in rows_of(block)]
    assert found == [row.where for row in folder.FORMAT.rows(tmp_path / "pictures")]


def test_pictures_are_looked_for_beside_the_file_or_in_the_folder(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a", bright_records(2))
    assert blocks_of(path, 2)[0].base == tmp_path / "a"
    assert Block("rows", tmp_path / "a", 0, 0, "").base == tmp_path / "a"
