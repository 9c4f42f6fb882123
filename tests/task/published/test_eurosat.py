from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import DataError
from superneurons.task.labels import DataWarning
from superneurons.task.published.eurosat import is_test
from superneurons.task.published.load import load_published
from superneurons.task.published.registry import find_task

SIZES = {
    "AnnualCrop": 3000, "Forest": 3000, "HerbaceousVegetation": 3000, "Highway": 2500,
    "Industrial": 2500, "Pasture": 2000, "PermanentCrop": 2500, "Residential": 3000,
    "River": 2500, "SeaLake": 3000,
}  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in SIZES:
        folder = tmp_path / "2750" / name
        folder.mkdir(parents=True)
        for number in range(1, 21):
            (folder / f"{name}_{number}.jpg").write_bytes(b"")
    return tmp_path


def test_both_splits_are_all_pictures_each_once(directory: Path) -> None:
    train = load_published("eurosat", directory, "train")
    test = load_published("eurosat", directory)
    paths = [record.images[0] for record in [*train, *test]]
    assert len(set(paths)) == len(paths) == 200
    assert all(isinstance(path, Path) and path.is_file() for path in paths)
    assert {record.label for record in train} == {record.label for record in test} == set(SIZES)
    assert {r.group for r in train}.isdisjoint({r.group for r in test})


def test_the_question_is_that_of_savs(directory: Path) -> None:
    for record in load_published("eurosat", directory, "train"):
        first, second = record.question.split("\n")
        assert first == "What type of remote sensing image does the given image belong to?"
        assert second.endswith(" Answer with the class name.")
        parts = second.removesuffix(" Answer with the class name.").split(" ")
        assert parts[::2] == ["A.", "B.", "C.", "D."]
        assert record.label in parts[1::2]
        assert set(parts[1::2]) <= set(SIZES)
        assert record.options is None


def test_without_names_only_the_question_differs(directory: Path) -> None:
    named = load_published("eurosat", directory)
    plain = load_published("eurosat-open", directory)
    assert [(r.images, r.label, r.id) for r in named] == [(r.images, r.label, r.id) for r in plain]
    assert {record.question for record in plain} == {find_task("eurosat-open").question}
    assert "A." not in find_task("eurosat-open").question


def test_each_record_is_called_by_its_file(directory: Path) -> None:
    first = load_published("eurosat", directory, "train")[0]
    assert first.id == f"2750/{first.group}"
    assert first.id.startswith("2750/AnnualCrop/AnnualCrop_")


@pytest.mark.parametrize("place", ["EuroSAT", "EuroSAT_RGB", "eurosat/2750"])
def test_other_names_of_the_folder_are_known(tmp_path: Path, directory: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / "2750").rename(tmp_path / place)
    assert load_published("eurosat", directory)[0].id.startswith(f"{place}/AnnualCrop/")


def test_missing_classes_and_bands_are_all_said(directory: Path) -> None:
    for path in (directory / "2750/River").iterdir():
        path.rename(path.with_suffix(".tif"))
    for path in (directory / "2750/Forest").iterdir():
        path.unlink()
    (directory / "2750/Forest").rmdir()
    with pytest.raises(DataError) as caught:
        load_published("eurosat", directory)
    assert [(p.where, p.what) for p in caught.value.problems] == [
        ("2750/Forest/", "there is no such folder"),
        ("2750/River/", "no pictures River_1.jpg, … (bands as .tif are not read)"),
    ]
    with pytest.warns(DataWarning, match="left out"):
        records = load_published("eurosat", directory, skip_bad=True)
    assert {record.label for record in records} == set(SIZES) - {"Forest", "River"}


def test_other_files_are_no_pictures_of_it(directory: Path) -> None:
    before = len(load_published("eurosat", directory, "train"))
    (directory / "2750/River/Thumbs.db").write_bytes(b"")
    (directory / "2750/River/notes.jpg").write_bytes(b"")
    assert len(load_published("eurosat", directory, "train")) == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2750/.*phelber/EuroSAT"):
        load_published("eurosat", tmp_path)


def test_counts_are_those_of_all_pictures() -> None:
    names = [f"{name}_{i}.jpg" for name, size in SIZES.items() for i in range(1, size + 1)]
    n_test = sum(map(is_test, names))
    splits = find_task("eurosat").splits
    assert (splits["train"].count, splits["test"].count) == (len(names) - n_test, n_test)
    assert len(names) == 27_000
    assert find_task("eurosat").answers == tuple(SIZES)
