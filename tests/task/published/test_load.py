from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import published_files as files
from superneurons.errors import DataError
from superneurons.task.labels import DataWarning
from superneurons.task.published.load import absent, find_split, load_published, read_split
from superneurons.task.published.registry import find_task
from superneurons.task.record import Record


@dataclass(frozen=True)
class Kind:
    """One task's file, and the fields that each row must have."""

    task: str
    split: str
    file: str
    write: Callable[[Path, list[Any]], Path]
    rows: list[dict[str, Any]]
    fields: tuple[str, ...]


KINDS = [
    Kind("pope", "random", "coco_pope_random.json", files.pope, files.POPE,
         ("image", "text", "label")),
    Kind("clevr", "val", "questions/CLEVR_val_questions.json", files.clevr, files.CLEVR,
         ("image_filename", "question", "answer")),
    Kind("vizwiz", "val-all", "val.json", files.vizwiz, files.VIZWIZ,
         ("image", "question", "answers")),
    Kind("vlguard", "test", "test.json", files.vlguard, files.VLGUARD,
         ("image", "safe", "instr-resp")),
    Kind("mhalubench", "train", "MHaluBench_train.json", files.mhalubench, files.MHALU,
         ("image_path", "claim_list", "ref_claim_label")),
    Kind("instaorder-depth", "val", "annotations/InstaOrder_val2017.json", files.instaorder,
         files.INSTAORDER, ("image_id", "instance_ids", "depth")),
    Kind("instaorder-occlusion", "val", "annotations/InstaOrder_val2017.json", files.instaorder,
         files.INSTAORDER, ("image_id", "instance_ids", "occlusion")),
]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind.task: kind.write(tmp_path_factory.mktemp(kind.task), kind.rows) for kind in KINDS}


def of_row(record: Record, where: str) -> bool:
    return record.id == where or record.id.startswith(f"{where}:")


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_any_one_row_that_is_broken_is_named_and_nothing_else_is_lost(
    folders: dict[str, Path], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    number = data.draw(st.integers(0, len(kind.rows) - 1))
    rows: list[Any] = copy.deepcopy(kind.rows)
    how = data.draw(st.sampled_from(["no object", "no field", "wrong kind"]))
    if how == "no object":
        rows[number] = data.draw(st.sampled_from([None, 5, "text", [1], True]))
    else:
        field = data.draw(st.sampled_from(kind.fields))
        if how == "no field":
            del rows[number][field]
        else:
            rows[number][field] = data.draw(st.sampled_from([None, 5, 0.5, "", "  ", {}, [5]]))
    root = folders[kind.task]
    kind.write(root, kind.rows)
    sound = load_published(kind.task, root, kind.split)

    kind.write(root, rows)
    where = f"{kind.file}:{number + 1}"
    with pytest.raises(DataError) as caught:
        load_published(kind.task, root, kind.split)
    assert {problem.where for problem in caught.value.problems} == {where}
    with pytest.warns(DataWarning, match="that cannot be read and 0 records without"):
        kept = load_published(kind.task, root, kind.split, skip_bad=True)
    assert kept == [record for record in sound if not of_row(record, where)]
    assert len(kept) < len(sound)


def test_everything_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_published("instaorder-depth", tmp_path, "train")
    assert [problem.where for problem in caught.value.problems] == [
        "annotations/InstaOrder_train2017.json",
        "annotations/instances_train2017.json",
        "train2017/",
    ]
    assert "https://cocodataset.org" in str(caught.value)
    assert "superneurons tasks show instaorder-depth" in str(caught.value)


def test_missing_pictures_are_summed_up_by_their_download(tmp_path: Path) -> None:
    rows = [files.POPE[0] | {"image": f"COCO_val2014_{i:012}.jpg"} for i in range(30)]
    files.pope(tmp_path, [*rows, *rows, {"image": 3}])
    with pytest.raises(DataError) as caught:
        load_published("pope", tmp_path)
    pictures, *bad = caught.value.problems
    assert pictures.where == "val2014/"
    assert pictures.what.startswith("28 pictures missing: COCO_val2014_000000000002.jpg, ")
    assert pictures.what.count(".jpg") == 20
    assert pictures.what.endswith("…; from https://cocodataset.org/#download")
    assert {problem.where for problem in bad} == {"coco_pope_random.json:61"}
    assert "28 pictures cannot be found" in caught.value.what


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    gone = files.POPE[0] | {"image": "gone.jpg"}
    files.pope(tmp_path, [files.POPE[0], gone, gone, 7])
    said = "left out are 1 row that cannot be read and 2 records without pictures"
    with pytest.warns(DataWarning, match=said):
        assert len(load_published("pope", tmp_path, skip_bad=True)) == 1
    files.pope(tmp_path, [gone])
    with pytest.raises(DataError, match="There are no records that can be used"):
        load_published("pope", tmp_path, skip_bad=True)


def test_a_file_that_is_no_json_is_said_by_its_line(tmp_path: Path) -> None:
    files.vizwiz(tmp_path)
    (tmp_path / "val.json").write_text('[\n{"image": \n')
    with pytest.raises(DataError, match=r"Not valid JSON(.|\n)*val\.json:3"):
        load_published("vizwiz", tmp_path)
    (tmp_path / "val.json").write_text("{}")
    with pytest.raises(DataError, match="holds no list of questions"):
        load_published("vizwiz", tmp_path)


def test_splits_are_named_or_found(tmp_path: Path) -> None:
    task = find_task("pope")
    assert find_split(task, None) == "random"
    assert find_split(task, "train") == "train"
    with pytest.raises(DataError, match="Did you mean 'popular'"):
        find_split(task, "populer")
    with pytest.raises(DataError, match="There is no such folder"):
        load_published("pope", tmp_path / "gone")
    with pytest.raises(DataError, match="Did you mean 'pope'"):
        load_published("poppe", tmp_path)


def test_pictures_can_be_left_alone(tmp_path: Path) -> None:
    files.lines(tmp_path / "coco_pope_random.json", files.POPE)
    task = find_task("pope")
    found = read_split(task, "random", tmp_path, look=False)
    assert len(found.records) == len(files.POPE)
    assert not found.missing
    assert [n.path for n in absent(task.splits["random"].needs, tmp_path)] == ["val2014/"]


def test_a_picture_in_another_place_counts(tmp_path: Path) -> None:
    files.lines(tmp_path / "coco_pope_random.json", files.POPE[:1])
    there = files.picture(tmp_path / "coco/images/val2014/COCO_val2014_000000000000.jpg")
    assert load_published("pope", tmp_path)[0].images == (there,)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.task)
def test_a_picture_is_in_one_group_and_a_group_is_one_picture(
    kind: Kind, folders: dict[str, Path]
) -> None:
    kind.write(folders[kind.task], kind.rows)
    records = load_published(kind.task, folders[kind.task], kind.split)
    pairs = {(record.images, record.group) for record in records}
    assert len(pairs) == len({images for images, _ in pairs}) == len({group for _, group in pairs})
    assert None not in {group for _, group in pairs}
    assert len({record.id for record in records}) == len(records)
    assert {record.label for record in records} == {"yes", "no"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.task)
def test_every_bad_row_is_named_at_once(kind: Kind, folders: dict[str, Path]) -> None:
    kind.write(folders[kind.task], [None, *kind.rows, 5, {}])
    with pytest.raises(DataError) as caught:
        load_published(kind.task, folders[kind.task], kind.split)
    last = len(kind.rows) + 3
    named = {problem.where for problem in caught.value.problems}
    assert named == {f"{kind.file}:{i}" for i in (1, last - 1, last)}
