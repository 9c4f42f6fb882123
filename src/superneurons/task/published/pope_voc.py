"""POPE's questions about Pascal VOC's pictures, to see what carries over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.pope import QUESTION, asked_for
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import read_text

__all__ = ["TASKS"]

_SITE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
_SPOKEN = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
_MOST = 3
_SEED = 0
_PLACES = ("VOC2012/", "VOCdevkit/VOC2012/", "")


def _needed(path: str, what: str) -> Needed:
    first, *also = (place + path for place in _PLACES)
    return Needed(first, what, _SITE, also=tuple(also))


def _split(name: str, role: str) -> Split:
    lists = {
        one: _needed(f"ImageSets/Main/{one}_{name}.txt", f"VOC2012 {name}: {one}")
        for one in _CLASSES
    }
    folder = _needed("JPEGImages/", "VOC2012, pictures")
    return Split((*lists.values(), folder), _load(lists, folder), role)


def _load(lists: dict[str, Needed], folder: Needed) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        shown: dict[str, dict[str, int]] = {}
        for name, needed in lists.items():
            for picture, sign in _signs(reader, reader.place(needed)):
                shown.setdefault(picture, {})[name] = sign
        base, records = reader.place(folder), []
        rng = np.random.default_rng(_SEED)
        for picture, signs in sorted(shown.items()):
            asked = _drawn(signs, rng)
            path = reader.picture(f"{base}{picture}.jpg", len(asked)) if asked else None
            if path is not None:
                records += [
                    Record(
                        (path,),
                        asked_for(_SPOKEN.get(name, name)),
                        label,
                        group=f"voc/{picture}",
                        id=f"{picture}:{name}",
                    )
                    for name, label in asked
                ]
        return records

    return load


def _signs(reader: Reader, path: str) -> list[tuple[str, int]]:
    """Read one class's list: 1 it is there, -1 it is not, 0 only hard to see."""
    found = []
    lines = read_text(reader.directory / path).splitlines()
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if len(parts) == 2 and parts[1] in ("1", "-1", "0"):
            found.append((parts[0], int(parts[1])))
        elif parts:
            reader.bad(f"{path}:{number}", f"must be a picture and 1, 0 or -1, not {line!r:.40}")
    return found


def _drawn(signs: dict[str, int], rng: np.random.Generator) -> list[tuple[str, str]]:
    there = [name for name in _CLASSES if signs.get(name) == 1]
    gone = [name for name in _CLASSES if signs.get(name) == -1]
    n = min(_MOST, len(there), len(gone))
    return [
        (str(name), label)
        for names, label in ((there, "yes"), (gone, "no"))
        for name in (rng.choice(names, n, replace=False) if n else ())
    ]


TASKS: tuple[Published, ...] = (
    Published(
        name="pope-voc",
        title="POPE on Pascal VOC",
        question=QUESTION,
        answers=("yes", "no"),
        splits={"train": _split("train", "probe"), "val": _split("val", "test")},
        paper="Pascal VOC 2012; reported on by arXiv:2603.10781, table 7",
        licence="Flickr's terms, see its page",
        n_probe=3000,
        notes=(
            "That paper does not say how it made its questions from Pascal VOC, nor of which year. "
            "Here a picture of VOC2012 gets up to three questions about classes it shows and as "
            "many about classes it doesn't show, drawn at random (seed 0). Classes that are only "
            "hard to see there (0 in VOC's lists) are not asked for.",
        ),
    ),
)
