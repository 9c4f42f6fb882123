"""InstaOrder asks which of two objects hides the other, and which is nearer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.coco import (
    Instance,
    Instances,
    group_of,
    instances_file,
    picture_folder,
)
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import Row

__all__ = ["TASKS"]

_SITE = "https://github.com/POSTECH-CVLab/InstaOrder"
_OCCLUSION = (
    "Is the {first} at position {box} obstructing the {second} at position {box}? "
    "Answer the question using a single word."
)
_DEPTH = (
    "Is the {first} in front of the {second} at position {box} from the viewer's perspective? "
    "Answer the question using a single word."
)
_ORDER = re.compile(r"\s*(\d+)\s*([<=])\s*(\d+)\s*")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Two objects of a picture by their place in the row's list, and the right answer."""

    first: int
    second: int
    label: str


def _split(kind: str, year: str, role: str) -> Split:
    name = f"InstaOrder_{year}.json"
    orders = Needed(
        f"annotations/{name}",
        "InstaOrder annotations",
        _SITE,
        also=(name, f"coco/annotations/{name}"),
    )
    needs = (orders, instances_file(year), picture_folder(year))
    return Split(needs, _load(kind, *needs), role)


def _load(
    kind: str, orders: Needed, objects: Needed, folder: Needed
) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        instances = Instances(reader, reader.place(objects))
        alike = Counter((one.image, one.category) for one in instances.by_id.values())
        path, base, records = reader.place(orders), reader.place(folder), []
        for row in reader.rows(path, reader.items(path, "annotations")):
            shown = _shown(reader, row, instances)
            asked = None if shown is None else _asked(reader, row, kind, len(shown))
            if shown is None or not asked:
                continue
            file_name, *size = instances.images[shown[0].image]
            picture = reader.picture(base + file_name, len(asked))
            if picture is None:
                continue
            names = [
                _named(one, size[0], size[1], alike[one.image, one.category] > 1) for one in shown
            ]
            records += [
                Record(
                    (picture,),
                    _question(kind, names[one.first], names[one.second]),
                    one.label,
                    group=group_of(file_name),
                    id=f"{row.where}:{one.first}-{one.second}",
                )
                for one in asked
            ]
        return records

    return load


def _shown(reader: Reader, row: Row, instances: Instances) -> list[Instance] | None:
    """Return the objects of a row, or keep what is wrong."""
    image, numbers = row.values.get("image_id"), row.values.get("instance_ids")
    if not isinstance(image, int) or image not in instances.images:
        reader.bad(row.where, f"'image_id' must be one of COCO's pictures, not {image!r:.40}")
        return None
    if not isinstance(numbers, list):
        reader.bad(row.where, f"'instance_ids' must be a list, not {numbers!r:.40}")
        return None
    shown = [instances.by_id.get(n) if isinstance(n, int) else None for n in numbers]
    found = [one for one in shown if one is not None and one.image == image]
    if len(found) < len(numbers):
        reader.bad(row.where, f"'instance_ids' must be objects of picture {image}, not {numbers!r}")
        return None
    return found


def _asked(reader: Reader, row: Row, kind: str, n: int) -> list[_Asked] | None:
    """Return the questions of a row, or keep what is wrong."""
    found: list[tuple[int, str, int]] = []
    entries = row.values.get(kind)
    for entry in entries if isinstance(entries, list) else [None]:
        order = entry.get("order") if isinstance(entry, Mapping) else None
        pairs = list(_pairs(order, n, kind))
        if not pairs:
            what = f"not {order!r:.40}" if isinstance(entries, list) else "but is no list"
            reader.bad(row.where, f"{kind!r} must hold orders such as '0<1' of {n} objects, {what}")
            return None
        found += pairs
    return _depth(found) if kind == "depth" else _occlusion(found, n)


def _pairs(order: Any, n: int, kind: str) -> Iterator[tuple[int, str, int]]:
    """Read "0<1", of depth "0=1" too, of occlusion "0<1 & 1<0"; nothing where it is none of these.

    Two are never at the same time nearer than each other, and none hides another "equally".
    """
    parts = [_ORDER.fullmatch(part) for part in order.split("&")] if isinstance(order, str) else []
    for part in parts:
        if part is None or max(int(part[1]), int(part[3])) >= n or part[1] == part[3]:
            return
        if (kind == "depth" and len(parts) > 1) or (kind == "occlusion" and part[2] == "="):
            return
    for part in parts:
        if part is not None:
            yield int(part[1]), part[2], int(part[3])


def _occlusion(found: list[tuple[int, str, int]], n: int) -> list[_Asked]:
    hides = {(first, second) for first, _, second in found}
    pairs = ((i, j) for i in range(n) for j in range(n) if i != j)
    return [_Asked(i, j, "yes" if (i, j) in hides else "no") for i, j in pairs]


def _depth(found: list[tuple[int, str, int]]) -> list[_Asked]:
    asked = []
    for near, sign, far in found:
        first, second = sorted((near, far))
        label = "yes" if sign == "<" and first == near else "no"
        asked.append(_Asked(first, second, label))
    return asked


def _named(one: Instance, width: int, height: int, ambiguous: bool) -> str:
    if not ambiguous:
        return one.category
    left, top, wide, high = one.box
    corners = (left / width, top / height, (left + wide) / width, (top + high) / height)
    return f"{one.category} at position [{', '.join(f'{c:.2f}' for c in corners)}]"


def _question(kind: str, first: str, second: str) -> str:
    template = _DEPTH if kind == "depth" else _OCCLUSION
    return template.replace(" at position {box}", "").format(first=first, second=second)


def _task(name: str, kind: str, title: str, question: str, note: str) -> Published:
    return Published(
        name=name,
        title=title,
        question=question,
        answers=("yes", "no"),
        splits={
            "train": _split(kind, "train2017", "probe"),
            "val": _split(kind, "val2017", "test"),
        },
        paper="InstaOrder: arXiv:2111.14562; reported on by arXiv:2603.10781, section 4",
        licence="see its repository; pictures: Flickr, terms at cocodataset.org",
        n_probe=3000,
        notes=(
            note,
            "A position is given only to objects of which COCO annotates several of the same "
            "category in the picture. That paper calls it a bounding box and does not say how it "
            "writes it: here [left, top, right, bottom] as shares of width and height, with two "
            "decimals.",
        ),
    )


TASKS: tuple[Published, ...] = (
    _task(
        "instaorder-occlusion",
        "occlusion",
        "InstaOrder (occlusion)",
        _OCCLUSION,
        "Asked is every ordered pair of a row's objects: yes where the first hides the second. "
        "Which pairs that paper asks is not said; 14.8 % of its answers are yes.",
    ),
    _task(
        "instaorder-depth",
        "depth",
        "InstaOrder (depth)",
        _DEPTH,
        "Asked is every annotated pair once, the object that the row lists first before the other: "
        "yes where it is nearer, no where the other is, or neither. Which pairs that paper asks is "
        "not said; 57.9 % of its answers are yes, which asking both ways round could not give.",
    ),
)
