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
    assert instances_file("val2017").what == "COCO 2017 train/val annotations"


def test_files_are_looked_for_as_they_are_unpacked_side_by_side_too(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for place in ("coco/annotations/instances_val2017.json", "instances_val2017.json"):
        document(tmp_path / place, {})
        assert reader.place(instances_file("val2017")) == place
    for folder in ("coco/images/val2017/", "coco/val2017/", "images/val2017/", "val2017/"):
        (tmp_path / folder).mkdir(parents=True)
        assert reader.place(picture_folder("val2017")) == folder


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


def test_two_pictures_are_two_groups_whatever_else_is_in_their_names() -> None:
    assert group_of("COCO_train2014_000000000001.jpg") != group_of(
        "COCO_train2014_000000000002.jpg"
    )
    assert group_of("my.coco_v2/val/000000000139.jpg") == "coco/000000000139"
    assert group_of("000000000139") == "coco/000000000139"


def test_a_picture_without_objects_shows_none_and_pictures_come_by_number(tmp_path: Path) -> None:
    found = coco_instances("val2014")
    found["images"].append({"id": 9, "file_name": "x.jpg", "width": 1, "height": 1})
    found["annotations"].reverse()
    document(tmp_path / "i.json", found)
    instances = Instances(Reader(tmp_path), "i.json")
    assert list(instances.objects().items()) == [
        (1, ["dog", "person"]),
        (2, ["cat", "chair", "oven"]),
    ]
    assert instances.images[9] == ("x.jpg", 1, 1)
    assert instances.images[1][0] == "COCO_val2014_000000000001.jpg"


@pytest.mark.parametrize(("kind", "row", "field", "value"), [
    ("annotations", 0, "category_id", 99),
    ("annotations", 1, "image_id", 99),
    ("annotations", 2, "bbox", [1, 2, 3]),
    ("annotations", 2, "bbox", ["a", 2, 3, 4]),
    ("images", 1, "width", "wide"),
    ("categories", 0, "id", None),
])  # fmt: skip
def test_entries_that_do_not_fit_together_are_refused(
    tmp_path: Path, kind: str, row: int, field: str, value: object
) -> None:
    found = coco_instances("val2017")
    found[kind][row][field] = value
    document(tmp_path / "i.json", found)
    with pytest.raises(DataError, match=r"(.|\n)*i\.json(.|\n)*cocodataset\.org"):
        Instances(Reader(tmp_path), "i.json")


def test_annotations_may_come_before_what_they_refer_to(tmp_path: Path) -> None:
    found = coco_instances("val2017")
    document(tmp_path / "a.json", found)
    document(tmp_path / "b.json", {name: found[name] for name in reversed(found)})
    one, other = (Instances(Reader(tmp_path), name) for name in ("a.json", "b.json"))
    assert (one.by_id, one.images, one.categories) == (other.by_id, other.images, other.categories)
