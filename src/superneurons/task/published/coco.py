"""COCO's instance annotations: which objects a picture shows, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from superneurons.errors import DataError
from superneurons.task.published.base import Needed
from superneurons.task.published.reader import Reader

__all__ = ["SITE", "Instance", "Instances", "group_of", "instances_file", "picture_folder"]

SITE = "https://cocodataset.org/#download"
"""The page COCO's pictures and annotations are downloaded from."""


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
    box: tuple[float, float, float, float]


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
        found = reader.document(path)
        parts = found if isinstance(found, dict) else {}
        lists: dict[str, list[Any]] = {}
        for name in ("images", "annotations", "categories"):
            value = parts.get(name)
            if not isinstance(value, list):
                raise DataError(
                    f"There is no list {name!r}, as COCO's instance annotations have.",
                    where=path,
                    mend=f"Download it again from {SITE}.",
                )
            lists[name] = value
        try:
            names = {int(c["id"]): str(c["name"]) for c in lists["categories"]}
            self.categories = tuple(names.values())
            self.images = {
                int(i["id"]): (str(i["file_name"]), int(i["width"]), int(i["height"]))
                for i in lists["images"]
            }
            self.by_id = {
                int(a["id"]): Instance(int(a["image_id"]), names[int(a["category_id"])], _box(a))
                for a in lists["annotations"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"An entry is not as in COCO's instance annotations: {error!r}.",
                where=path,
                mend=f"Download it again from {SITE}.",
            ) from error

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


def _box(annotation: dict[str, Any]) -> tuple[float, float, float, float]:
    left, top, width, height = map(float, annotation["bbox"])
    return left, top, width, height
