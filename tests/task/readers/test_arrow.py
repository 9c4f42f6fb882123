from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from superneurons.errors import DataError, MissingExtraError
from superneurons.task.readers.arrow import PARQUET, SAVED_DATASET, parquet_rows

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
datasets = pytest.importorskip("datasets")


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), colour).save(buffer, "PNG")
    return buffer.getvalue()


ROWS: list[dict[str, Any]] = [
    {
        "image": {"bytes": png("red"), "path": None},
        "question": "Red?",
        "label": "yes",
        "options": ["yes", "no"],
        "vector": [0.5] * 4,
    },
    {"image": {"bytes": png("blue"), "path": "b.png"}, "question": "Red?", "label": None},
]


def known(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row.get(key) for key in ("image", "question", "label", "options")}


def test_parquet_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    rows = list(PARQUET.rows(path))
    assert [row.where for row in rows] == ["a.parquet:1", "a.parquet:2"]
    assert [row.values for row in rows] == [known(row) for row in ROWS]
    assert "vector" in rows[0].found


def test_more_rows_than_a_batch_are_numbered_on(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"question": [str(i) for i in range(2_500)]}), path)
    rows = list(PARQUET.rows(path))
    assert [(row.where, row.values) for row in rows[-1:]] == [
        ("a.parquet:2500", {"question": "2499"})
    ]


def test_parquet_without_any_known_column_still_has_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"img": ["a.png"] * 3}), path)
    rows = list(PARQUET.rows(path))
    assert [list(row.found) for row in rows] == [["img"]] * 3


@pytest.mark.parametrize("damage", [b"", b"text", b"PAR1 and no more PAR1"])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(damage)
    with pytest.raises(DataError, match="not a readable Parquet") as caught:
        list(PARQUET.rows(path))
    assert caught.value.where == str(path)


def labelled_dataset() -> Any:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "extra": datasets.Value("float32"),
        }
    )
    columns = {
        "image": [
            {"bytes": png(colour), "path": None} for colour in ("red", "blue", "lime", "tan")
        ],
        "label": [1, 0, -1, None],
        "extra": [0.0, 1.0, 2.0, 3.0],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def test_numbered_labels_get_their_names(tmp_path: Path) -> None:
    dataset = labelled_dataset()
    dataset.save_to_disk(str(tmp_path / "saved"))
    dataset.to_parquet(str(tmp_path / "a.parquet"))
    assert SAVED_DATASET.matches(tmp_path / "saved")
    for rows in (SAVED_DATASET.rows(tmp_path / "saved"), PARQUET.rows(tmp_path / "a.parquet")):
        values = [row.values for row in rows]
        assert [value["label"] for value in values] == ["dog", "cat", None, None]
        assert values[0]["image"]["bytes"] == png("red")


def test_a_saved_dataset_keeps_a_selection_and_its_numbers(tmp_path: Path) -> None:
    labelled_dataset().select([1]).save_to_disk(str(tmp_path / "saved"))
    (row,) = SAVED_DATASET.rows(tmp_path / "saved")
    assert (row.where, row.values["label"]) == ("saved:1", "cat")
    assert set(row.found) == {"image", "label", "extra"}


def test_a_dataset_without_known_columns_still_has_rows(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"img": ["a.png"] * 2}).save_to_disk(str(tmp_path / "saved"))
    assert [list(row.found) for row in SAVED_DATASET.rows(tmp_path / "saved")] == [["img"]] * 2


def test_a_dataset_of_several_splits_names_them(tmp_path: Path) -> None:
    both = datasets.DatasetDict(train=labelled_dataset(), test=labelled_dataset())
    both.save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DataError, match="test, train") as caught:
        list(SAVED_DATASET.rows(tmp_path / "saved"))
    assert str(tmp_path / "saved" / "test") in str(caught.value.mend)
    assert len(list(SAVED_DATASET.rows(tmp_path / "saved" / "train"))) == 4


def test_a_damaged_dataset_is_refused(tmp_path: Path) -> None:
    labelled_dataset().save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(DataError, match="cannot be read") as caught:
        list(SAVED_DATASET.rows(tmp_path / "saved"))
    assert caught.value.where == str(tmp_path / "saved")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match="Parquet") as caught:
        list(PARQUET.rows(tmp_path / "a.parquet"))
    assert "superneurons[parquet]" in str(caught.value.mend)


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (3, 4), (4, 8), (6, 7), (9, 9), (5, None)])
def test_a_part_of_the_rows_is_read_with_their_own_numbers(
    tmp_path: Path, start: int, stop: int | None
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"question": [str(n) for n in range(11)]}), path, row_group_size=3)
    found = list(parquet_rows(path, start=start, stop=stop))
    wanted = list(range(11))[start:stop]
    assert [row.values["question"] for row in found] == [str(n) for n in wanted]  # type: ignore[union-attr]
    assert [row.where for row in found] == [f"x.parquet:{n + 1}" for n in wanted]
