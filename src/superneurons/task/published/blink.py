"""BLINK: fourteen tasks of seeing, with one to four pictures a question."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from superneurons.errors import DataError
from superneurons.task.images import embedded_image
from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.choices import chosen, inline, number_of, options_of
from superneurons.task.published.reader import Reader
from superneurons.task.readers.arrow import parquet_rows, saved_rows
from superneurons.task.record import ImageSource, Record
from superneurons.task.rows import Row

__all__ = ["TASKS", "blink_question"]

_SITE = "https://huggingface.co/datasets/BLINK-Benchmark/BLINK"
_IMAGES = ("image_1", "image_2", "image_3", "image_4")
_COLUMNS = ("idx", "question", "choices", "answer", *_IMAGES)
_LETTERS = ("A", "B", "C", "D")
_IN_FILE = tuple(f"({letter})" for letter in _LETTERS)
_PER_LETTER = 20
_SUBTASKS = {
    "Art_Style": (2, 117),
    "Counting": (4, 120),
    "Forensic_Detection": (4, 132),
    "Functional_Correspondence": (4, 130),
    "IQ_Test": (4, 150),
    "Jigsaw": (2, 150),
    "Multi-view_Reasoning": (2, 133),
    "Object_Localization": (2, 122),
    "Relative_Depth": (2, 124),
    "Relative_Reflectance": (3, 134),
    "Semantic_Correspondence": (4, 139),
    "Spatial_Relation": (2, 143),
    "Visual_Correspondence": (4, 172),
    "Visual_Similarity": (2, 135),
}
"""How many letters there are, and how many questions in ``val``."""

_SAYS_OPTIONS = {"Multi-view_Reasoning", "Object_Localization", "Visual_Correspondence"}
"""Where SAVs writes "options" instead of "choices"."""


def _file(subtask: str, split: str) -> Needed:
    first = f"{subtask}/{split}-00000-of-0000"
    return Needed(
        f"{first}1.parquet",
        f"{subtask}, {split}: as on the hub, or saved with save_to_disk",
        _SITE,
        also=(f"{first}2.parquet", f"{first}3.parquet", f"{subtask}/{split}"),
    )


def _load(
    subtask: str, file: Needed, labelled: bool = True, probe: bool | None = None
) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        read = [_read(reader, row, subtask, labelled) for row in _rows(reader, file)]
        records = _grouped([one for one in read if one is not None])
        if probe is None:
            return records
        picked = _probed(records)
        return [record for record in records if (record.group in picked) is probe]

    return load


def _rows(reader: Reader, file: Needed) -> Iterator[Row]:
    first = reader.directory / reader.place(file)
    if first.is_dir():
        parts, rows_of = [first], saved_rows
    else:
        shards = first.parent.glob(first.name.replace("-00000-", "-?????-"))
        parts, rows_of = sorted(shards), parquet_rows
    for part in parts:
        where = part.relative_to(reader.directory).as_posix()
        for number, row in enumerate(rows_of(part, _COLUMNS), start=1):
            if isinstance(row, Row):
                yield Row(f"{where}:{number}", row.values, row.found)


def _read(
    reader: Reader, row: Row, subtask: str, labelled: bool
) -> tuple[Record, frozenset[str]] | None:
    """Return a record, and what its pictures are recognised by."""
    before = len(reader.problems)
    question, options = reader.text(row, "question"), options_of(reader, row)
    pictures = _pictures(reader, row)
    if options is not None and len(options) > len(_LETTERS):
        reader.bad(row.where, f"'choices' must be at most {len(_LETTERS)}, not {len(options)}")
        options = None
    letters = None if options is None else _LETTERS[: len(options)]
    label = chosen(reader, row, "answer", letters, _IN_FILE) if labelled else None
    if len(reader.problems) > before or question is None or options is None:
        return None
    own = row.values.get("idx")
    name = own if isinstance(own, str) and own else row.where
    asked = blink_question(subtask, question, options)
    return Record(tuple(pictures.values()), asked, label, id=name), frozenset(pictures)


def _pictures(reader: Reader, row: Row) -> dict[str, ImageSource]:
    """Return the pictures in order, by a hash of their bytes; two alike stay two."""
    found: dict[str, ImageSource] = {}
    for field in _IMAGES:
        value = row.values.get(field)
        if value is None:
            continue
        data = value.get("bytes") if isinstance(value, dict) else None
        if not isinstance(data, bytes):
            reader.bad(row.where, f"{field!r} must hold the picture itself, not {value!r:.40}")
            continue
        key = hashlib.sha256(data).hexdigest()[:32]
        try:
            found[key if key not in found else f"{key} {field}"] = embedded_image(data)
        except DataError as error:
            reader.bad(row.where, f"{field!r}: {error.what}")
    if all(row.values.get(field) is None for field in _IMAGES):
        reader.bad(row.where, f"no picture in {_IMAGES[0]!r} to {_IMAGES[-1]!r}")
    return found


def blink_question(subtask: str, question: str, options: Sequence[str]) -> str:
    """Ask as SAVs does: the question, then the options behind letters, on one line.

    Examples
    --------
    >>> blink_question("Jigsaw", "Which fits?", ["the second image", "the third image"])
    'Which fits? Select from the following choices. (A) the second image (B) the third image'
    """
    word = "options" if subtask in _SAYS_OPTIONS else "choices"
    listed = inline(dict(zip(_IN_FILE, options, strict=False)))
    return f"{question.strip()} Select from the following {word}. {listed}"


def _grouped(read: Sequence[tuple[Record, frozenset[str]]]) -> list[Record]:
    """Put records that share a picture, directly or through others, into one group."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for _, keys in read:
        roots = sorted({root(key) for key in keys})
        for other in roots:
            parent[other] = roots[0]
    return [replace(record, group=f"blink/{root(min(keys))}") for record, keys in read]


def _probed(records: Sequence[Record]) -> set[str | None]:
    """Choose groups with up to 20 records of each letter, in an order that their hashes give.

    Of a rare letter at most two thirds, so that there is something to score on.
    """
    counts = Counter(record.label for record in records)
    most = {label: min(_PER_LETTER, count * 2 // 3) for label, count in counts.items()}
    members: dict[str | None, Counter[str | None]] = {}
    for record in records:
        members.setdefault(record.group, Counter())[record.label] += 1
    total: Counter[str | None] = Counter()
    picked = set()
    for group in sorted(members, key=lambda group: number_of(str(group))):
        after = total + members[group]
        if all(count <= most[label] for label, count in after.items()):
            total = after
            picked.add(group)
    return picked


def _task(subtask: str, n_letters: int, count: int) -> Published:
    val, test = _file(subtask, "val"), _file(subtask, "test")
    word = "options" if subtask in _SAYS_OPTIONS else "choices"
    listed = inline(dict.fromkeys(_IN_FILE[:n_letters], "{}"))
    return Published(
        name="blink-" + subtask.lower().replace("_", "-"),
        title="BLINK, " + subtask.replace("_", " "),
        question=f"{{question}} Select from the following {word}. {listed}",
        answers=_LETTERS[:n_letters],
        splits={
            "probe": Split((val,), _load(subtask, val, probe=True), "probe"),
            "rest": Split((val,), _load(subtask, val, probe=False), "test"),
            "val": Split((val,), _load(subtask, val), "all", count),
            "test": Split((test,), _load(subtask, test, labelled=False), "ask"),
        },
        paper="BLINK: arXiv:2404.12390; reported on by arXiv:2412.00142 (SAVs)",
        licence="Apache-2.0",
        n_probe=_PER_LETTER * n_letters,
        notes=_notes(subtask),
    )


def _notes(subtask: str) -> tuple[str, ...]:
    shared = (
        "The answers of `test` are hidden. SAVs parts `val`; how is published for some subtasks "
        "only. Here `probe` is 20 records of each letter (of a rare one two thirds), chosen by "
        "a hash of their pictures, `rest` the others. Records that share a picture stay together.",
        "The wording is that of SAVs' code, around the file's own `question` (not its longer "
        "`prompt`). Labels are letters without brackets.",
    )
    if subtask != "Counting":
        return shared
    return (*shared, "SAVs asks every picture for blue floats; here each has its own question.")


TASKS: tuple[Published, ...] = tuple(_task(name, *of) for name, of in _SUBTASKS.items())
