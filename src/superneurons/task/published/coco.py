"""COCO's instance annotations: which objects a picture shows, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from superneurons.errors import DataError
from superneurons.task.published.base import Needed
from superneurons.task.published.reader import Reader

__all__ = ["SITE", "Instance", "Instances", "group_of", "instances_file", "picture_folder"]

SITE = "https://cocodataset.org/#download"
"""The page COCO's pictures and annotations are downloaded from."""

_Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotated object.

    Parameters
    ----------
    image
        COCO's number of the picture.
    category
        Its name: "dining table".
    box
        Left, top, width and height in pixels.
    """

    image: int
    category: str
    box: _Box


class Instances:
    """What one ``instances_*.json`` holds.

    Attributes
    ----------
    categories
        All names, in the file's order.
    images
        File name, width and height of each picture, by its number.
    by_id
        Each instance by its number.
    """

    def __init__(self, reader: Reader, path: str) -> None:
        self.images: dict[int, tuple[str, int, int]] = {}
        names: dict[int, str] = {}
        boxes: dict[int, tuple[int, int, _Box]] = {}
        try:
            # item by item: of the polygons, most of these files, nothing is kept
            for kind, item in reader.lists(path, ("images", "annotations", "categories")):
                number = int(item["id"])
                if kind == "images":
                    size = int(item["width"]), int(item["height"])
                    self.images[number] = (str(item["file_name"]), *size)
                elif kind == "annotations":
                    image, category = int(item["image_id"]), int(item["category_id"])
                    boxes[number] = (image, category, _box(item))
                else:
                    names[number] = str(item["name"])
            strange = {image for image, _, _ in boxes.values()} - self.images.keys()
            if strange:
                raise ValueError(f"objects of picture {min(strange)}, which is none of the images")
            self.by_id = {
                number: Instance(image, names[category], box)
                for number, (image, category, box) in boxes.items()
            }
        except DataError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"An entry is not as in COCO's instance annotations: {error!r}.",
                where=path,
                mend=f"Download it again from {SITE}.",
            ) from error
        self.categories = tuple(names.values())

    def objects(self) -> dict[int, list[str]]:
        """Return the categories each picture shows, each once, sorted; by picture's number."""
        found: dict[int, set[str]] = {}
        for instance in self.by_id.values():
            found.setdefault(instance.image, set()).add(instance.category)
        return {image: sorted(names) for image, names in sorted(found.items())}


def instances_file(year: str) -> Needed:
    """Return the file of instances of ``train2014``, ``val2017`` and so on."""
    return Needed(
        f"annotations/instances_{year}.json",
        f"COCO {year[-4:]} train/val annotations",
        SITE,
        also=(f"instances_{year}.json", f"coco/annotations/instances_{year}.json"),
    )


def picture_folder(year: str) -> Needed:
    """Return the folder of pictures of ``train2014``, ``val2017`` and so on."""
    return Needed(
        f"{year}/",
        f"COCO {year[-4:]} {year[:-4]} images",
        SITE,
        also=(f"images/{year}/", f"coco/{year}/", f"coco/images/{year}/"),
    )


def group_of(file_name: str) -> str:
    """Name a COCO picture alike whatever its year: 2014 and 2017 part the same pictures anew.

    Examples
    --------
    >>> group_of("COCO_val2014_000000310196.jpg"), group_of("000000310196.jpg")
    ('coco/000000310196', 'coco/000000310196')
    """
    return "coco/" + file_name.rsplit("/", 1)[-1].rsplit(".", 1)[0].rsplit("_", 1)[-1]


def _box(annotation: Any) -> _Box:
    left, top, width, height = map(float, annotation["bbox"])
    return left, top, width, height
