from __future__ import annotations

from pathlib import Path

import pytest

from published_files import CATEGORIES, coco_instances, document
from superneurons.errors import DataError
from superneurons.task.published.coco import (
    Instance,
    Instances,
    group_of,
    instances_file,
    picture_folder,
)
from superneurons.task.published.reader import Reader


def test_instances_are_known_by_number_and_by_picture(tmp_path: Path) -> None:
    document(tmp_path / "i.json", coco_instances("val2017"))
    found = Instances(Reader(tmp_path), "i.json")
    assert found.categories == tuple(CATEGORIES)
    assert found.by_id[13] == Instance(1, "dog", (13, 5, 40, 20))
    assert found.images[2] == ("000000000002.jpg", 100, 50)
    assert found.objects() == {1: ["dog", "person"], 2: ["cat", "chair", "oven"]}


def test_a_picture_has_one_group_whatever_its_year() -> None:
    names = ["COCO_val2014_000000000139.jpg", "000000000139.jpg", "a/000000000139.png"]
    assert {group_of(name) for name in names} == {"coco/000000000139"}


def test_files_are_called_as_coco_calls_them() -> None:
    assert instances_file("val2017").path == "annotations/instances_val2017.json"
    assert picture_folder("train2014").path == "train2014/"
    assert picture_folder("train2014").what == "COCO 2014 train images"


@pytest.mark.parametrize("found", [[], {"images": []}, {"images": {}, "annotations": []}])
def test_what_is_no_such_file_is_refused(tmp_path: Path, found: object) -> None:
    document(tmp_path / "i.json", found)
    with pytest.raises(DataError, match=r"^Not a JSON object with"):
        Instances(Reader(tmp_path), "i.json")


def test_an_entry_that_lacks_something_is_said(tmp_path: Path) -> None:
    found = coco_instances("val2017")
    del found["annotations"][1]["bbox"]
    document(tmp_path / "i.json", found)
    with pytest.raises(DataError, match=r"An entry is not as in COCO(.|\n)*i\.json"):
        Instances(Reader(tmp_path), "i.json")
