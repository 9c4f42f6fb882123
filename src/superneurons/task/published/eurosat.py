"""EuroSAT shows land from space, in ten classes."""

from __future__ import annotations

import re
from collections.abc import Callable

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.choices import drawn, inline, number_of
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record

__all__ = ["TASKS", "is_test"]

_CLASSES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)
_ASKED = "What type of remote sensing image does the given image belong to?"
_LAST = "Answer with the class name."
_FOLDER = Needed(
    "2750/",
    "EuroSAT, RGB (EuroSAT.zip or EuroSAT_RGB.zip): a folder per class",
    "https://github.com/phelber/EuroSAT",
    also=("EuroSAT/2750/", "EuroSAT/", "eurosat/2750/", "EuroSAT_RGB/"),
)
_PARTS = 5
_NAMED = re.compile(r"[A-Za-z]+_\d+\.jpg")


def is_test(name: str) -> bool:
    """Tell whether a picture is one of the fifth that is scored on, by its file's name."""
    return number_of(name) % _PARTS == 0


def _load(test: bool, with_names: bool) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        base = reader.place(_FOLDER)
        records = []
        for name in _CLASSES:
            for file in _pictures(reader, base, name):
                if is_test(file) is test:
                    picture = reader.directory / base / name / file
                    question = _question(name, file) if with_names else f"{_ASKED} {_LAST}"
                    key = f"{name}/{file}"
                    records.append(Record((picture,), question, name, group=key, id=base + key))
        return records

    return load


def _pictures(reader: Reader, base: str, name: str) -> list[str]:
    folder = reader.directory / base / name
    if not folder.is_dir():
        reader.bad(f"{base}{name}/", "there is no such folder")
        return []
    files = [path.name for path in folder.iterdir() if _NAMED.fullmatch(path.name)]
    if not files:
        reader.bad(f"{base}{name}/", f"no pictures {name}_1.jpg, … (bands as .tif are not read)")
    return sorted(files, key=lambda file: (len(file), file))


def _question(name: str, file: str) -> str:
    options = dict(zip(("A.", "B.", "C.", "D."), drawn(name, _CLASSES, file), strict=True))
    return f"{_ASKED}\n{inline(options)} {_LAST}"


def _task(name: str, title: str, with_names: bool, notes: tuple[str, ...]) -> Published:
    return Published(
        name=name,
        title=title,
        question=f"{_ASKED}\nA. {{}} B. {{}} C. {{}} D. {{}} {_LAST}"
        if with_names
        else f"{_ASKED} {_LAST}",
        answers=_CLASSES,
        splits={
            "train": Split((_FOLDER,), _load(False, with_names), "probe", 21_624),
            "test": Split((_FOLDER,), _load(True, with_names), "test", 5_376),
        },
        paper="EuroSAT: arXiv:1709.00029"
        + ("; reported on by" if with_names else "; after what is asked in")
        + " arXiv:2412.00142 (SAVs)",
        licence="MIT",
        n_probe=200,
        notes=(
            "EuroSAT has no split of its own, and SAVs' test files are not published. Here a fifth "
            "is for testing, chosen by a hash of the file's name.",
            *notes,
        ),
    )


TASKS: tuple[Published, ...] = (
    _task(
        "eurosat",
        "EuroSAT",
        True,
        (
            "As in SAVs, the prompt names four classes, the right one always among them, while all "
            "ten are labels: by the prompt alone, chance is 1 in 4. Which four is drawn by the "
            "file's name; SAVs' own draw is published for its 200 training pictures only.",
        ),
    ),
    _task(
        "eurosat-open",
        "EuroSAT, no names in the prompt",
        False,
        ("SAVs' question without its four names; in no paper.",),
    ),
)
