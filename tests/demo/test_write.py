from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from superneurons.demo.tasks import make_task
from superneurons.demo.write import check_free, write_task
from superneurons.errors import OutputError
from superneurons.task.record import Record


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    records = make_task("choice", n=4)
    path = write_task(records, tmp_path / "out")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert path.name == "records.jsonl"
    for row, record in zip(rows, records, strict=True):
        assert (row["question"], row["label"], row["group"]) == (
            record.question,
            record.label,
            record.group,
        )
        assert tuple(row["options"]) == record.options
        with Image.open(path.parent / row["image"]) as image:
            assert image.tobytes() == record.images[0].tobytes()  # type: ignore[union-attr]


def test_fields_a_record_lacks_are_left_out(tmp_path: Path) -> None:
    record = Record((Image.new("RGB", (4, 4)),), "Red?", label="No")
    row = json.loads(write_task([record], tmp_path / "out").read_text())
    assert row == {"image": "images/00000.png", "question": "Red?", "label": "No"}


def test_several_pictures_and_files_are_kept(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    record = Record((tmp_path / "a.jpg", Image.new("RGB", (4, 4))), "Same?", label="Yes")
    path = write_task([record], tmp_path / "out")
    names = json.loads(path.read_text())["image"]
    assert [Path(n).suffix for n in names] == [".jpg", ".png"]
    assert all((path.parent / n).is_file() for n in names)


@pytest.mark.parametrize("taken_by", ["file", "folder"])
def test_a_taken_place_is_refused_and_left_alone(tmp_path: Path, taken_by: str) -> None:
    out = tmp_path / "out"
    if taken_by == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    with pytest.raises(OutputError, match="taken"):
        write_task(make_task("dark", n=2), out)
    assert (out if taken_by == "file" else out / "mine").read_text() == "mine"


def test_an_unwritable_place_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="may write to"):
        write_task(make_task("dark", n=2), tmp_path / "file" / "out")


def test_a_folder_that_can_t_be_looked_into_is_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_free(tmp_path)
    check_free(tmp_path / "new")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        check_free(tmp_path)
