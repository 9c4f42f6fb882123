from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from superneurons.errors import DataError
from superneurons.task.labels import DataWarning, label_set
from superneurons.task.published.blink import blink_question
from superneurons.task.published.load import load_published
from superneurons.task.published.registry import find_task, published

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
datasets = pytest.importorskip("datasets")

Make = Callable[..., Path]
_NOT_READ = ("sub_task", "prompt", "explanation")


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (seed % 256, seed // 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def entry(number: int, answer: str = "(A)", pictures: Sequence[int] = (), **own: Any) -> dict:
    """Make a row of the official columns."""
    shown = list(pictures) or [10 * number]
    images = {
        f"image_{i}": {"bytes": png(shown[i - 1]), "path": None} if i <= len(shown) else None
        for i in range(1, 5)
    }
    return {
        "idx": f"val_Jigsaw_{number}",
        "question": "Which image is the missing part in the first image?",
        "sub_task": "Jigsaw",
        **images,
        "choices": ["the second image", "the third image"],
        "answer": answer,
        "prompt": "Given the first image … Select from the following choices.",
        "explanation": "",
        **own,
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(*rows: dict, name: str = "Jigsaw/val-00000-of-00001.parquet") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.Table.from_pylist(list(rows))
        for index, field in enumerate(table.schema):
            if field.name.startswith("image_") and pa.types.is_null(field.type):
                table = table.set_column(index, field.name, table.column(index).cast(image))
        pq.write_table(table, path)
        return tmp_path

    return write


def test_a_row_of_the_official_columns(make: Make) -> None:
    [record] = load_published("blink-jigsaw", make(entry(1, "(B)", [1, 2, 3])), "val")
    assert record.question == (
        "Which image is the missing part in the first image? Select from the following choices. "
        "(A) the second image (B) the third image"
    )
    assert record.label == "B"
    assert record.options is None
    assert record.id == "val_Jigsaw_1"
    assert [image.getpixel((0, 0))[0] for image in record.images] == [1, 2, 3]  # type: ignore[union-attr, index]


def test_the_same_picture_twice_stays_twice(make: Make) -> None:
    [record] = load_published("blink-jigsaw", make(entry(1, pictures=[5, 5])), "val")
    assert len(record.images) == 2


@pytest.mark.parametrize(
    ("task", "folder", "said"),
    [
        ("blink-spatial-relation", "Spatial_Relation", "choices"),
        ("blink-multi-view-reasoning", "Multi-view_Reasoning", "options"),
        ("blink-object-localization", "Object_Localization", "options"),
        ("blink-visual-correspondence", "Visual_Correspondence", "options"),
    ],
)
def test_the_wording_is_that_of_savs_in_each_subtask(
    make: Make, task: str, folder: str, said: str
) -> None:
    directory = make(entry(1), name=f"{folder}/val-00000-of-00001.parquet")
    [record] = load_published(task, directory, "val")
    assert f" Select from the following {said}. (A) the second image" in record.question
    assert f" Select from the following {said}. (A) {{}} (B) {{}}" in find_task(task).question


def test_shards_are_read_in_order(make: Make) -> None:
    make(entry(2), name="Jigsaw/val-00001-of-00002.parquet")
    directory = make(entry(1), entry(3), name="Jigsaw/val-00000-of-00002.parquet")
    assert [r.id for r in load_published("blink-jigsaw", directory, "val")] == [
        "val_Jigsaw_1",
        "val_Jigsaw_3",
        "val_Jigsaw_2",
    ]


def test_a_saved_dataset_is_read_alike(make: Make, tmp_path: Path) -> None:
    directory = make(entry(1, "(B)", [1, 2]), entry(2))
    from_file = load_published("blink-jigsaw", directory, "val")
    rows = [entry(1, "(B)", [1, 2]), entry(2)]
    table = datasets.Dataset.from_list(
        [{k: v for k, v in row.items() if k not in _NOT_READ} for row in rows],
        features=datasets.Features(
            {name: datasets.Value("string") for name in ("idx", "question", "answer")}
            | {"choices": [datasets.Value("string")]}
            | {f"image_{i}": datasets.Image() for i in range(1, 5)}
        ),
    )
    (tmp_path / "Jigsaw/val-00000-of-00001.parquet").unlink()
    table.save_to_disk(str(tmp_path / "Jigsaw/val"))
    saved = load_published("blink-jigsaw", directory, "val")
    assert [(r.question, r.label, r.id, r.group, len(r.images)) for r in saved] == [
        (r.question, r.label, r.id, r.group, len(r.images)) for r in from_file
    ]


def test_hidden_answers_are_no_labels(make: Make) -> None:
    directory = make(entry(1, "hidden"), name="Jigsaw/test-00000-of-00001.parquet")
    [record] = load_published("blink-jigsaw", directory, "test")
    assert record.label is None
    assert find_task("blink-jigsaw").splits["test"].role == "ask"


def test_probe_and_rest_are_all_and_share_no_picture(make: Make) -> None:
    # Every third question shares its picture with the one before.
    rows = [entry(i, "(A)" if i % 2 else "(B)", [i - (i % 3 == 2), 999 - i]) for i in range(90)]
    directory = make(*rows)
    whole, probe, rest = (
        load_published("blink-jigsaw", directory, split) for split in ("val", "probe", "rest")
    )
    assert {r.id for r in probe} | {r.id for r in rest} == {r.id for r in whole}
    assert len(probe) + len(rest) == len(whole) == 90
    assert {r.group for r in probe}.isdisjoint({r.group for r in rest})
    assert len({r.group for r in whole}) == 60
    counts = Counter(record.label for record in probe)
    assert all(15 < counts[letter] <= 20 for letter in "AB")
    assert label_set(probe) == ("A", "B")


def test_a_rare_letter_is_in_both_parts(make: Make) -> None:
    directory = make(*(entry(i, "(A)" if i % 10 else "(B)") for i in range(60)))
    probe, rest = (load_published("blink-jigsaw", directory, part) for part in ("probe", "rest"))
    assert Counter(record.label for record in probe) == {"A": 20, "B": 4}
    assert Counter(record.label for record in rest) == {"A": 34, "B": 2}


def test_pictures_shared_through_others_are_one_group(make: Make) -> None:
    directory = make(entry(1, pictures=[1, 2]), entry(2, pictures=[3]), entry(3, pictures=[2, 3]))
    records = load_published("blink-jigsaw", directory, "val")
    assert len({record.group for record in records}) == 1


def test_the_split_does_not_depend_on_the_order_of_rows(make: Make) -> None:
    rows = [entry(i, "(A)" if i % 2 else "(B)") for i in range(50)]
    first = {r.id for r in load_published("blink-jigsaw", make(*rows), "probe")}
    assert {r.id for r in load_published("blink-jigsaw", make(*rows[::-1]), "probe")} == first


def test_every_bad_row_is_listed_at_once(make: Make) -> None:
    broken = {"image_1": {"bytes": b"no picture", "path": None}}
    directory = make(
        entry(1),
        entry(2, "(C)"),
        entry(3, "B"),
        entry(4, choices=list("abcde")),
        entry(5, question=None),
        entry(6, **broken),
        entry(7, image_1=None),
        entry(8, image_1={"bytes": None, "path": "a.png"}),
    )
    with pytest.raises(DataError) as caught:
        load_published("blink-jigsaw", directory, "val")
    file = "Jigsaw/val-00000-of-00001.parquet"
    assert [(p.where.removeprefix(f"{file}:"), p.what) for p in caught.value.problems] == [
        ("2", "'answer' must be one of (A), (B), not '(C)'"),
        ("3", "'answer' must be one of (A), (B), not 'B'"),
        ("4", "'choices' must be at most 4, not 5"),
        ("5", "'question' must be text, not None"),
        ("6", "'image_1': This is not a picture that Pillow can read."),
        ("7", "no picture in 'image_1' to 'image_4'"),
        ("8", "'image_1' must hold the picture itself, not {'bytes': None, 'path': 'a.png'}"),
    ]
    with pytest.warns(DataWarning, match="left out"):
        [record] = load_published("blink-jigsaw", directory, "val", skip_bad=True)
    assert record.id == "val_Jigsaw_1"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abcde ", min_size=1, max_size=8), min_size=2, max_size=4, unique=True))
def test_each_letter_stands_before_its_option(options: list[str]) -> None:
    asked = blink_question("Counting", "How many?", options)
    assert asked.startswith("How many? Select from the following choices. (A) ")
    for letter, option in zip("ABCD", options, strict=False):
        assert f"({letter}) {option}" in asked
    assert asked.count("(") == len(options)


def test_there_are_fourteen_with_the_published_count() -> None:
    tasks = [task for name, task in published().items() if name.startswith("blink-")]
    assert len(tasks) == 14
    assert sum(task.splits["val"].count or 0 for task in tasks) == 1_901
    assert {len(task.answers) for task in tasks} == {2, 3, 4}
    assert all(task.n_probe == 20 * len(task.answers) for task in tasks)
