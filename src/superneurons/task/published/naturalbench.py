"""NaturalBench asks two questions of two pictures, each answered otherwise by the other picture."""

from __future__ import annotations

from collections.abc import Iterator

from superneurons.errors import DataError, Problem
from superneurons.task.images import embedded_image
from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.reader import Reader
from superneurons.task.readers.arrow import parquet_rows
from superneurons.task.record import ImageSource, Record
from superneurons.task.rows import Row, RowOrProblem

__all__ = ["TASKS"]

_SITE = "https://huggingface.co/datasets/BaiqiL/NaturalBench"
_TABLES = Needed("data/", "NaturalBench, the Parquet files", _SITE)
_QUESTION = "{question} Answer with Yes or No."
_COLUMNS = (
    *("Index", "Question_Type", "Question Type", "Question_0", "Question_1", "Image_0", "Image_1"),
    *(f"Image_{image}_Question_{question}" for image in range(2) for question in range(2)),
)
_KINDS = ("yes_no", "multiple_choice")


def _load(reader: Reader) -> list[Record]:
    folder = reader.directory / reader.place(_TABLES)
    files = sorted(path.name for path in folder.glob("*.parquet"))
    if not files:
        raise DataError(
            "There are no Parquet files.", where=str(folder), mend=f"Download them from {_SITE}."
        )
    rows = (row for file in files for row in parquet_rows(folder / file, _COLUMNS))
    return [record for row in rows for record in _group(reader, row)]


def _group(reader: Reader, row: RowOrProblem) -> list[Record]:
    """Return the four records of a row, or keep what is wrong with it: a group is whole."""
    if isinstance(row, Problem):
        reader.bad(row.where, row.what)
        return []
    kind = row.values.get("Question_Type") or row.values.get("Question Type")
    if kind not in _KINDS:
        reader.bad(row.where, f"'Question_Type' must be {' or '.join(_KINDS)}, not {kind!r:.40}")
    if kind != "yes_no":
        return []
    before = len(reader.problems)
    images = [_image(reader, row, f"Image_{i}") for i in range(2)]
    questions = [reader.text(row, f"Question_{i}") for i in range(2)]
    labels = {pair: _label(reader, row, *pair) for pair in _pairs()}
    if len(reader.problems) > before:
        return []
    index = row.values.get("Index")
    group = f"naturalbench/{row.where if index is None else index}"
    return [
        Record(
            tuple(picture for picture in (images[i],) if picture is not None),
            _QUESTION.format(question=questions[q]),
            labels[i, q],
            group=group,
            id=f"{group}:q{q}_i{i}",
        )
        for i, q in _pairs()
    ]


def _pairs() -> Iterator[tuple[int, int]]:
    """Picture and question, in the order the authors score them: q0_i0, q0_i1, q1_i0, q1_i1."""
    return ((i, q) for q in range(2) for i in range(2))


def _image(reader: Reader, row: Row, name: str) -> ImageSource | None:
    value = row.values.get(name)
    data = value.get("bytes") if isinstance(value, dict) else None
    if not isinstance(data, bytes):
        reader.bad(row.where, f"{name!r} holds no picture")
        return None
    try:
        return embedded_image(data)
    except DataError as error:
        reader.bad(row.where, f"{name!r}: {error.what}")
        return None


def _label(reader: Reader, row: Row, image: int, question: int) -> str | None:
    name = f"Image_{image}_Question_{question}"
    answer = row.values.get(name)
    label = answer.strip().lower() if isinstance(answer, str) else None
    if label not in ("yes", "no"):
        reader.bad(row.where, f"{name!r} must be Yes or No, not {answer!r:.40}")
        return None
    return label


TASKS: tuple[Published, ...] = (
    Published(
        name="naturalbench",
        title="NaturalBench (yes/no)",
        question=_QUESTION,
        answers=("yes", "no"),
        splits={"test": Split((_TABLES,), _load, "test")},
        paper="NaturalBench: arXiv:2410.14669; reported on by arXiv:2412.00142 (SAVs)",
        licence="see the data card",
        notes=(
            "A row is a group of four records: two questions about two pictures. No split parts "
            "it. Its questions of type multiple_choice are left out.",
            "There is no split to probe on; the 40 records that arXiv:2412.00142 probed on are not "
            "published. Fitted and scored on its own parts: give it as --data, without --test.",
            "The prompt is that of that paper's code, without the line break it begins with; "
            "NaturalBench's own code ends with “Please answer Yes or No.”.",
        ),
    ),
)
