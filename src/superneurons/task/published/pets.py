"""Oxford-IIIT Pets: cats and dogs of 37 breeds."""

from __future__ import annotations

import re
from collections.abc import Callable

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.choices import drawn, inline
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record
from superneurons.task.rows import read_text

__all__ = ["TASKS"]

_BREEDS = (
    "Abyssinian", "american bulldog", "american pit bull terrier", "basset hound", "beagle",
    "Bengal", "Birman", "Bombay", "boxer", "British Shorthair", "chihuahua", "Egyptian Mau",
    "english cocker spaniel", "english setter", "german shorthaired", "great pyrenees", "havanese",
    "japanese chin", "keeshond", "leonberger", "Maine Coon", "miniature pinscher", "newfoundland",
    "Persian", "pomeranian", "pug", "Ragdoll", "Russian Blue", "saint bernard", "samoyed",
    "scottish terrier", "shiba inu", "Siamese", "Sphynx", "staffordshire bull terrier",
    "wheaten terrier", "yorkshire terrier",
)  # fmt: skip
"""By their CLASS-ID, from 1; the files write them with ``_``."""

_ASKED = "What type of animal is in the image?"
_LAST = "Answer with the class name."
_SITE = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
_FOLDER = Needed(
    "images/", "images.tar.gz, unpacked", _SITE, also=("oxford-iiit-pet/images/", "pets/images/")
)
_ROW = re.compile(r"(?P<name>(?P<breed>\S+)_\d+)\s+(?P<class>\d+)\s+[12]\s+\d+")


def _list(split: str) -> Needed:
    places = tuple(f"{base}/annotations/{split}.txt" for base in ("oxford-iiit-pet", "pets"))
    return Needed(f"annotations/{split}.txt", "annotations.tar.gz, unpacked", _SITE, also=places)


def _load(file: Needed, with_names: bool) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        path, base = reader.place(file), reader.place(_FOLDER)
        lines = read_text(reader.directory / path).splitlines()
        found = (
            _record(reader, f"{path}:{number}", line, base, with_names)
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.startswith("#")
        )
        return [record for record in found if record is not None]

    return load


def _record(reader: Reader, where: str, line: str, base: str, with_names: bool) -> Record | None:
    row = _ROW.fullmatch(line.strip())
    if row is None:
        reader.bad(where, f"must be 'NAME CLASS-ID SPECIES BREED-ID', not {line.strip()!r:.60}")
        return None
    breed = row["breed"].replace("_", " ")
    number = int(row["class"])
    if not 1 <= number <= len(_BREEDS) or _BREEDS[number - 1] != breed:
        reader.bad(where, f"{breed!r} has not the CLASS-ID {number}")
        return None
    picture = reader.picture(f"{base}{row['name']}.jpg")
    if picture is None:
        return None
    question = _question(breed, row["name"]) if with_names else f"{_ASKED} {_LAST}"
    return Record((picture,), question, breed, group=f"pets/{row['name']}", id=where)


def _question(breed: str, name: str) -> str:
    options = dict(zip(("A.", "B.", "C.", "D."), drawn(breed, _BREEDS, name), strict=True))
    return f"{_ASKED}\n{inline(options)} {_LAST}"


def _split(name: str, role: str, count: int, with_names: bool) -> Split:
    return Split((_list(name), _FOLDER), _load(_list(name), with_names), role, count)


def _task(name: str, title: str, with_names: bool, notes: tuple[str, ...]) -> Published:
    return Published(
        name=name,
        title=title,
        question=f"{_ASKED}\nA. {{}} B. {{}} C. {{}} D. {{}} {_LAST}"
        if with_names
        else f"{_ASKED} {_LAST}",
        answers=_BREEDS,
        splits={
            "trainval": _split("trainval", "probe", 3_680, with_names),
            "test": _split("test", "test", 3_669, with_names),
        },
        paper="Cats and Dogs, CVPR 2012"
        + ("; reported on by" if with_names else "; after what is asked in")
        + " arXiv:2412.00142 (SAVs)",
        licence="CC BY-SA 4.0",
        n_probe=740,
        notes=notes,
    )


TASKS: tuple[Published, ...] = (
    _task(
        "pets",
        "Oxford-IIIT Pets",
        True,
        (
            "As in SAVs, the prompt names four breeds, the right one always among them, while all "
            "37 are labels: by the prompt alone, chance is 1 in 4. Which four is drawn by the "
            "file's name.",
            "SAVs' own labels end at the first word, so that 37 breeds become 35 labels "
            "('american', 'english'). Here they are whole: 20 of each are 740 records, not 700.",
        ),
    ),
    _task(
        "pets-open",
        "Oxford-IIIT Pets, no names in the prompt",
        False,
        ("SAVs' question without its four names; in no paper.",),
    ),
)
