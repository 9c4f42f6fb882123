"""MHaluBench asks whether a claim about a picture is hallucinated."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.reader import Reader, is_text
from superneurons.task.record import Record
from superneurons.task.rows import Row

__all__ = ["TASKS"]

_SITE = "https://huggingface.co/datasets/openkg/MHaluBench"
_QUESTION = "Claim:{claim}. Is the Claim hallucinating? Answer the question with Yes or No."
_LABELS = {"hallucination": "yes", "non-hallucination": "no"}
_FOLDER = Needed("data/image-to-text/", "MHaluBench, pictures that are described", _SITE)
_DRAWN = "data/text-to-image/"


def _split(file: str, role: str, count: int | None = None) -> Split:
    needed = Needed(file, f"MHaluBench, {file}", _SITE)

    def load(reader: Reader) -> list[Record]:
        path = reader.place(needed)
        rows = reader.rows(path, reader.document(path))
        return [record for row in rows for record in _records(reader, row)]

    return Split((needed, _FOLDER), load, role, count)


def _records(reader: Reader, row: Row) -> list[Record]:
    by_claim = "claim_list" in row.values and "ref_claim_label" in row.values
    claims = _claims(reader, row) if by_claim else _response(reader, row)
    image = reader.text(row, "image_path")
    if claims is None or image is None:
        return []
    picture = _picture(reader, image, len(claims))
    if picture is None:
        return []
    group = f"mhalubench/{PurePosixPath(image).name}"
    return [
        Record(
            (picture,),
            _QUESTION.format(claim=claim),
            label,
            group=group,
            id=f"{row.where}:{number}" if by_claim else row.where,
        )
        for number, (claim, label) in enumerate(claims, start=1)
    ]


def _claims(reader: Reader, row: Row) -> list[tuple[str, str]] | None:
    claims, labels = row.values["claim_list"], row.values["ref_claim_label"]
    if not isinstance(claims, list) or not isinstance(labels, list) or len(claims) != len(labels):
        reader.bad(row.where, "'claim_list' and 'ref_claim_label' must be lists of one length")
        return None
    if not all(map(is_text, claims)):
        reader.bad(row.where, "'claim_list' must hold texts only")
        return None
    answers = [_answer(label) for label in labels]
    if None in answers:
        reader.bad(row.where, f"'ref_claim_label' must hold {_known()} only, not {labels!r:.80}")
        return None
    return [(claim, str(answer)) for claim, answer in zip(claims, answers, strict=True)]


def _response(reader: Reader, row: Row) -> list[tuple[str, str]] | None:
    response, label = reader.text(row, "response"), row.values.get("label")
    answer = _answer(label)
    if answer is None:
        reader.bad(row.where, f"'label' must be {_known()}, not {label!r:.40}")
    return None if response is None or answer is None else [(response, answer)]


def _answer(label: Any) -> str | None:
    return _LABELS.get(label.strip()) if isinstance(label, str) else None


def _known() -> str:
    return " or ".join(map(repr, _LABELS))


def _picture(reader: Reader, given: str, records: int) -> Path | None:
    name = PurePosixPath(given).name
    places = (f"{_FOLDER.path}{name}", f"{_DRAWN}{name}", given.lstrip("/"))
    there = (place for place in places if os.path.isfile(reader.directory / place))  # noqa: PTH113
    return reader.picture(next(there, places[0]), records)


TASKS: tuple[Published, ...] = (
    Published(
        name="mhalubench",
        title="MHaluBench",
        question=_QUESTION,
        answers=("yes", "no"),
        splits={
            "train": _split("MHaluBench_train.json", "probe", 3877),
            "val": _split("MHaluBench_val-v0.1.json", "test"),
            "val-v0.2": _split("MHaluBench_val-v0.2.json", "test"),
        },
        paper="MHaluBench: arXiv:2402.03190; reported on by arXiv:2412.00142 (SAVs)",
        licence="MIT",
        n_probe=40,
        notes=(
            "Pictures of train are COCO train2014, TextVQA and VQA v2 pictures that are not in the "
            "download; put them into data/image-to-text/ by their file names.",
            "train is read by claim: 'claim_list' and 'ref_claim_label', as its authors describe "
            "it. No description of the files of val was found: rows with these two fields are read "
            "by claim, others as a whole by 'response' and 'label'.",
            "The prompt is that of the code of arXiv:2412.00142, without the line break it begins "
            "with. Which 20 records per answer that paper probed on is not known: they are drawn.",
        ),
    ),
)
