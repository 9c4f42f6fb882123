from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records
from scale.tables import shard_files, write_jsonl, write_parquet, write_shard
from superneurons.errors import DataError
from superneurons.scale.blocks import rows_of
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
    for file, content in (("empty.jsonl", "\n\n"), ("x.docx", "x"), ("bad.parquet", "x")):
        (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=said):
        blocks_of(tmp_path / name, 4)


def test_an_empty_table_has_no_blocks(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", RECORDS[:1])
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(tmp_path / "x.parquet")[:0], tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no records"):
        blocks_of(tmp_path / "x.parquet", 4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["{}", "", "  ", "\u00e9"]), max_size=12), st.integers(1, 5))
def test_lines_are_parted_by_bytes_and_counted_with_the_empty_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(content)
    parts = [lines[n : n + size] for n in range(0, len(lines), size)]
    wanted = [
        (number * size + 1, len(part))
        for number, part in enumerate(parts)
        if any(line.strip() for line in part)
    ]
    if not wanted:
        with pytest.raises(DataError, match="no records"):
            blocks_of(path, size)
        return
    blocks = blocks_of(path, size)
    told = [(b.first, content[b.start : b.stop].count(b"\n")) for b in blocks]
    assert told == wanted
    assert all(content[: b.start].count(b"\n") == b.first - 1 for b in blocks)
    equal = {(content[b.start : b.stop], b.digest) for b in blocks}
    assert len(equal) == len({text for text, _ in equal}) == len({d for _, d in equal})


def test_a_table_is_parted_by_rows_and_its_last_block_may_be_short(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", RECORDS)
    blocks = blocks_of(path, 3)
    assert [(b.kind, b.start, b.stop, b.first) for b in blocks] == [
        ("parquet", 0, 3, 1), ("parquet", 3, 6, 1), ("parquet", 6, 7, 1),
    ]  # fmt: skip
    assert len({b.digest for b in blocks}) == 1  # that of the file
    assert [(b.start, b.stop) for b in blocks_of(path, 7)] == [(0, 7)]
    assert sum(len(list(rows_of(b))) for b in blocks) == 7


def test_a_large_file_is_known_by_its_length_and_its_ends(tmp_path: Path) -> None:
    path, kept = tmp_path / "x.tar", 1 << 16
    content = bytearray(3 * kept)

    def digest() -> str:
        path.write_bytes(content)
        return blocks_of(path, 4)[0].digest

    before = digest()
    assert before.startswith(f"{3 * kept}:")
    for place in (0, kept - 1, 2 * kept, 3 * kept - 1):
        content[place] = 1
        assert digest() != before, place
        content[place] = 0
    assert digest() == before
    content.append(0)
    assert digest() != before


@pytest.mark.parametrize("name", ["a.tar", "A.TAR", "a.tar.gz", "a.tgz", "a.Tar.Gz"])
def test_shards_by_any_of_their_names_are_one_block_whatever_the_size(
    tmp_path: Path, name: str
) -> None:
    path = write_shard(tmp_path / "plain", shard_files(RECORDS[:2]))
    content = path.read_bytes()
    path.unlink()
    (tmp_path / name).write_bytes(content if name.lower() == "a.tar" else gzip.compress(content))
    (tmp_path / "folder.tar").mkdir()  # no shard, for all its name
    for place in (tmp_path / name, tmp_path):
        (block,) = blocks_of(place, 1)
        assert (block.kind, block.start, block.stop) == ("shard", 0, 0)
        assert len(list(rows_of(block))) == 2


def test_blocks_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "data", RECORDS[:2])
    monkeypatch.chdir(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    (here,) = blocks_of("records.jsonl", 4)
    assert here.path == tmp_path / "data" / "records.jsonl"
    assert blocks_of("~/data/records.jsonl", 4) == [here]
    assert blocks_of(str(tmp_path / "data/rec?rds.*"), 4) == [here]


def test_a_name_with_signs_of_a_pattern_is_a_name_where_it_is_there(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path, RECORDS[:2]).rename(tmp_path / "a[1].jsonl")
    (tmp_path / "a1.jsonl").write_text('{"image": "x"}\n')
    assert [block.path for block in blocks_of(path, 4)] == [path]
    path.unlink()
    assert [block.path for block in blocks_of(path, 4)] == [tmp_path / "a1.jsonl"]


def test_a_csv_with_other_words_has_other_blocks_from_there_on(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("image,question\na.png,Red?\nb.png,Blue?\nc.png,Green?\n")
    before = blocks_of(path, 1)
    path.write_text(path.read_text().replace("Blue", "Teal"))
    after = blocks_of(path, 1)
    assert [a.digest == b.digest for a, b in zip(after, before, strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    assert [len(block.rows) for block in after] == [1, 1, 1]


def test_a_saved_dataset_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"image": list("abcde"), "question": ["?"] * 5})
    data.save_to_disk(str(tmp_path / "saved"))
    blocks = blocks_of(tmp_path / "saved", 2)
    assert [(b.kind, b.start, b.stop) for b in blocks] == [
        ("dataset", 0, 2), ("dataset", 2, 4), ("dataset", 4, 5),
    ]  # fmt: skip
    saved = datasets.load_from_disk(str(tmp_path / "saved"))
    assert {b.digest for b in blocks} == {saved._fingerprint}
    (tmp_path / "saved" / "state.json").write_text("{")
    with pytest.raises(DataError, match="saved"):
        blocks_of(tmp_path / "saved", 2)
