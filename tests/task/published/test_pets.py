from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from superneurons.errors import DataError
from superneurons.task.labels import DataWarning
from superneurons.task.published.load import load_published
from superneurons.task.published.registry import find_task

Make = Callable[..., Path]

# Lines as the official lists have them: name, CLASS-ID, species, breed id.
LINES = (
    "Abyssinian_100 1 1 1",
    "american_pit_bull_terrier_191 3 2 2",
    "saint_bernard_15 29 2 20",
    "yorkshire_terrier_9 37 2 25",
)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(*lines: str, split: str = "trainval", base: str = "") -> Path:
        root = tmp_path / base
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / "images").mkdir(exist_ok=True)
        (root / f"annotations/{split}.txt").write_text("\n".join(lines) + "\n")
        for line in lines:
            if line.strip():
                (root / f"images/{line.split()[0]}.jpg").write_bytes(b"")
        return tmp_path

    return write


def test_lines_of_the_official_lists(make: Make) -> None:
    directory = make(*LINES)
    records = load_published("pets", directory, "trainval")
    assert [record.label for record in records] == [
        "Abyssinian",
        "american pit bull terrier",
        "saint bernard",
        "yorkshire terrier",
    ]
    assert records[1].images == (directory / "images/american_pit_bull_terrier_191.jpg",)
    assert records[1].id == "annotations/trainval.txt:2"
    assert records[1].group == "pets/american_pit_bull_terrier_191"


def test_the_question_is_that_of_savs(make: Make) -> None:
    breeds = set(find_task("pets").answers)
    for record in load_published("pets", make(*LINES), "trainval"):
        first, second = record.question.split("\n")
        assert first == "What type of animal is in the image?"
        named = second.removesuffix(" Answer with the class name.")
        for letter in "BCD":
            named = named.replace(f" {letter}. ", "|")
        options = named.removeprefix("A. ").split("|")
        assert len(options) == 4
        assert record.label in options
        assert set(options) <= breeds
        assert record.options is None


def test_without_names_the_question_is_short(make: Make) -> None:
    records = load_published("pets-open", make(*LINES, split="test"))
    assert {record.question for record in records} == {
        "What type of animal is in the image? Answer with the class name."
    }


@pytest.mark.parametrize("base", ["oxford-iiit-pet", "pets"])
def test_it_is_found_where_libraries_put_it(make: Make, base: str) -> None:
    directory = make(*LINES, base=base)
    record = load_published("pets", directory, "trainval")[0]
    assert record.images == (directory / base / "images/Abyssinian_100.jpg",)
    assert record.id == f"{base}/annotations/trainval.txt:1"


def test_comments_and_empty_lines_are_no_rows(make: Make) -> None:
    directory = make(*LINES[:1])
    path = directory / "annotations/trainval.txt"
    path.write_text("#Image CLASS-ID SPECIES BREED ID\n\n" + LINES[0] + "\n")
    [record] = load_published("pets", directory, "trainval")
    assert record.id == "annotations/trainval.txt:3"


def test_every_bad_row_is_listed_at_once(make: Make) -> None:
    directory = make(
        *LINES, "beagle_1 6 2 5", "boxer 9 2 4", "poodle_1 38 2 1", "Bengal_1 0 1 2", "pug_1 26 2"
    )
    with pytest.raises(DataError) as caught:
        load_published("pets", directory, "trainval")
    assert [(p.where[-1], p.what) for p in caught.value.problems] == [
        ("5", "'beagle' has not the CLASS-ID 6"),
        ("6", "must be 'NAME CLASS-ID SPECIES BREED-ID', not 'boxer 9 2 4'"),
        ("7", "'poodle' has not the CLASS-ID 38"),
        ("8", "'Bengal' has not the CLASS-ID 0"),
        ("9", "must be 'NAME CLASS-ID SPECIES BREED-ID', not 'pug_1 26 2'"),
    ]
    with pytest.warns(DataWarning, match="left out"):
        assert len(load_published("pets", directory, "trainval", skip_bad=True)) == len(LINES)


def test_missing_pictures_are_named(make: Make) -> None:
    directory = make(*LINES)
    (directory / "images/saint_bernard_15.jpg").unlink()
    with pytest.raises(DataError, match=r"saint_bernard_15\.jpg.*robots\.ox\.ac\.uk"):
        load_published("pets", directory, "trainval")


def test_there_are_37_breeds_in_the_order_of_their_ids() -> None:
    task = find_task("pets")
    assert len(set(task.answers)) == 37
    assert list(task.answers) == sorted(task.answers, key=str.lower)
    assert [split.count for split in task.splits.values()] == [3_680, 3_669]
    assert task.n_probe == 37 * 20
