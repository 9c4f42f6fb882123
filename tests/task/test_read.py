from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import published_files
from superneurons.errors import DataError
from superneurons.task.images import check_images, open_image
from superneurons.task.labels import DataWarning, label_set
from superneurons.task.read import read_records
from superneurons.task.record import Record

ROWS: list[dict[str, Any]] = [
    {"image": "a.png", "question": "Red?", "label": "yes"},
    {"image": "my pictures/ü.png", "question": "Blue?", "label": "no"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "my data é"
    (base / "my pictures").mkdir(parents=True)
    Image.new("RGB", (4, 4), "red").save(base / "a.png")
    Image.new("RGB", (4, 4), "white").save(base / "my pictures/ü.png")
    return base


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(rows), path)
    else:
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_list(rows).save_to_disk(str(path))
    return path


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv", "d.parquet"])
def test_files_of_all_formats_give_the_same_records(folder: Path, name: str) -> None:
    records = read_records(write(folder / name, ROWS))
    first = 2 if name.endswith("csv") else 1
    assert records == [
        Record((folder / row["image"],), row["question"], row["label"], id=f"{name}:{first + i}")
        for i, row in enumerate(ROWS)
    ]


def test_a_saved_dataset(folder: Path) -> None:
    rows = [row | {"image": str(folder / row["image"])} for row in ROWS]
    records = read_records(write(folder / "saved", rows))
    assert [(record.label, record.id) for record in records] == [
        ("yes", "saved:1"),
        ("no", "saved:2"),
    ]
    check_images(records)


def test_a_folder_per_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "pets" / name)
    records = read_records(tmp_path / "pets", question="Cat or dog?")
    assert label_set(records) == ("cat", "dog")
    assert records[2] == Record(
        (tmp_path / "pets/dog/1.png",), "Cat or dog?", "dog", id="pets/dog/1.png"
    )
    with pytest.raises(DataError) as caught:
        read_records(tmp_path / "pets")
    assert [problem.what for problem in caught.value.problems] == [
        "no 'question'; give each row one, or one for all"
    ]


def test_a_folder_of_pictures_without_classes(folder: Path) -> None:
    records = read_records(folder, question="Red?", require_labels=False)
    assert [record.label for record in records] == [None, "my pictures"]
    with pytest.raises(DataError, match="no 'label'"):
        read_records(folder, question="Red?")


def test_several_pictures_and_options(folder: Path) -> None:
    images = ["a.png", "my pictures/ü.png"]
    row = {"images": images, "question": "Same?", "label": "b", "options": ["a", "b"]}
    (from_jsonl,) = read_records(write(folder / "d.jsonl", [row]))
    (from_parquet,) = read_records(write(folder / "d.parquet", [row]))
    cells = row | {"images": "|".join(images), "options": '["a", "b"]'}
    (from_csv,) = read_records(write(folder / "d.csv", [cells]))
    for record in (from_jsonl, from_parquet, from_csv):
        assert record.images == tuple(folder / image for image in images)
        assert record.options == ("a", "b")


def test_parquet_with_embedded_pictures(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "blue").save(buffer, "PNG")
    image = {"bytes": buffer.getvalue(), "path": "gone.png"}
    path = write(tmp_path / "d.parquet", [{"image": image, "question": "?", "label": "a"}])
    (record,) = read_records(path)
    assert open_image(record.images[0]).getpixel((0, 0)) == (0, 0, 255)


def test_a_stream_is_json_lines_relative_to_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    text = "\n".join(map(json.dumps, ROWS))
    records = read_records(io.StringIO(text))
    assert [record.id for record in records] == ["<stream>:1", "<stream>:2"]
    assert all(record.images[0].is_file() for record in records)
    with pytest.raises(DataError, match="encoding"):
        read_records(io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))


def test_home_is_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    write(folder / "d.jsonl", ROWS)
    assert len(read_records("~/d.jsonl")) == len(read_records(Path("~/d.jsonl"))) == 2


def test_all_problems_of_a_file_come_at_once_in_its_order(folder: Path) -> None:
    lines = [
        json.dumps(ROWS[0]),
        '{"image": ',
        json.dumps({"image": "gone.png", "question": "", "label": 2.5}),
        "",
        json.dumps(ROWS[0] | {"options": ["no", "maybe"]}),
    ]
    path = folder / "d.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="5 problems") as caught:
        read_records(path)
    assert caught.value.where == str(path)
    assert caught.value.mend
    assert [problem.where for problem in caught.value.problems] == [
        "d.jsonl:2",
        "d.jsonl:3",
        "d.jsonl:3",
        "d.jsonl:3",
        "d.jsonl:5",
    ]


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv", "d.parquet", "saved"])
def test_a_missing_column_is_said_once(folder: Path, name: str) -> None:
    rows = [{"img": "a.png", "question": "Red?", "answer": "yes"}] * 30
    path = write(folder / name, rows)
    with pytest.raises(DataError) as caught:
        read_records(path)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{path}, all 30 rows: no 'image' (found 'img', did you mean 'image'?)",
        f"{path}, all 30 rows: no 'label' (found 'answer', did you mean 'label'?)",
    ]


def test_what_only_some_rows_lack_is_said_for_each(folder: Path) -> None:
    bare = {"image": "a.png", "question": "Red?"}
    with pytest.raises(DataError) as caught:
        read_records(write(folder / "d.jsonl", [bare, ROWS[0], bare]))
    assert [str(problem) for problem in caught.value.problems] == [
        "d.jsonl:1: no 'label'",
        "d.jsonl:3: no 'label'",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [("d.jsonl", ""), ("d.jsonl", "\n \n"), ("d.csv", ""), ("d.csv", "image,question,label\n")],
)
def test_empty_files(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(DataError, match="no records") as caught:
        read_records(folder / name)
    assert caught.value.where == str(folder / name)


def test_empty_folders_and_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no records"):
        read_records(tmp_path, question="?")
    pa = pytest.importorskip("pyarrow")
    empty = pa.table({"image": pa.array([], pa.string())})
    pytest.importorskip("pyarrow.parquet").write_table(empty, tmp_path / "d.parquet")
    with pytest.raises(DataError, match="no records"):
        read_records(tmp_path / "d.parquet")


def test_unknown_sources(tmp_path: Path) -> None:
    (tmp_path / "d.xlsx").touch()
    with pytest.raises(DataError, match="not read") as caught:
        read_records(tmp_path / "d.xlsx")
    assert ".jsonl" in str(caught.value.mend)
    for gone in (tmp_path / "gone.jsonl", "~nobody-at-all/d.jsonl", "d\0.jsonl"):
        with pytest.raises(DataError, match="no such file"):
            read_records(gone)


def test_an_unreadable_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "d.jsonl", ROWS)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="Permission denied") as caught:
        read_records(path)
    assert caught.value.where == str(path)


def test_an_empty_common_question(folder: Path) -> None:
    with pytest.raises(DataError, match="question is empty"):
        read_records(folder, question=" ")


def test_a_misspelt_optional_field_is_warned_of(folder: Path) -> None:
    path = write(folder / "d.jsonl", [row | {"groups": "a", "note": "b"} for row in ROWS])
    with pytest.warns(DataWarning, match="'groups' is ignored; did you mean 'group'"):
        read_records(path)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
rows = st.fixed_dictionaries(
    {"question": texts, "label": texts},
    optional={"group": texts, "id": texts, "other": st.integers()},
)


@given(st.lists(rows, min_size=1, max_size=6), st.booleans())
@settings(max_examples=50, deadline=None)
def test_any_text_comes_back_from_json_lines(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]], ascii_only: bool
) -> None:
    base = tmp_path_factory.mktemp("any")
    (base / "a.png").touch()
    lines = [json.dumps(each | {"image": "a.png"}, ensure_ascii=ascii_only) for each in objects]
    (base / "d.jsonl").write_text("\n".join(lines), encoding="utf-8", newline="\n")
    assert read_records(base / "d.jsonl") == [
        Record(
            (base / "a.png",),
            each["question"],
            each["label"],
            group=each.get("group"),
            id=each.get("id", f"d.jsonl:{number}"),
        )
        for number, each in enumerate(objects, start=1)
    ]


@given(st.lists(st.binary(max_size=30), max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_data_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    base = tmp_path_factory.mktemp("bytes")
    for name in ("d.jsonl", "d.csv", "d.parquet"):
        (base / name).write_bytes(b"\n".join(lines))
        with pytest.raises(DataError):
            read_records(base / name)


def test_a_published_task_is_a_source(tmp_path: Path) -> None:
    root = published_files.pope(tmp_path / "my data")
    records = read_records(f"pope:{root}@random")
    assert [(r.question, r.label) for r in records] == [
        (row["text"], row["label"]) for row in published_files.POPE
    ]
    assert records == read_records(f"pope:{root}", question="ignored, as each row has its own")
    published_files.pope(root, [*published_files.POPE, 5])
    with pytest.raises(DataError, match=r"coco_pope_random\.json:5"):
        read_records(f"pope:{root}")
    with pytest.warns(DataWarning, match="left out are 1 row"):
        assert read_records(f"pope:{root}@random?skip-bad") == records


def test_a_path_with_a_colon_is_a_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    write(folder / "pope:d.jsonl", ROWS)
    assert len(read_records("pope:d.jsonl")) == 2
    assert len(read_records(folder / "pope:d.jsonl")) == 2
    with pytest.raises(DataError, match="There is no such file or folder"):
        read_records("a:b.jsonl")


def test_a_published_task_that_is_misspelt_is_named() -> None:
    with pytest.raises(DataError, match="Did you mean the published task 'pope'"):
        read_records("popee:/data/pope")


def test_questions_without_answers_are_no_labelled_records(tmp_path: Path) -> None:
    row = {"image_id": 1, "question_id": "q", "question": "What?", "choices": ["a", "b"]}
    published_files.document(tmp_path / "aokvqa_v1p0_test.json", [row])
    published_files.picture(tmp_path / "test2017/000000000001.jpg")
    with pytest.raises(DataError, match="published without their answers"):
        read_records(f"aokvqa:{tmp_path}@test")
    assert read_records(f"aokvqa:{tmp_path}@test", require_labels=False)[0].label is None
