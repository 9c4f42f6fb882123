from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import bright_records, choices
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.metrics import score
from superneurons.report.gather_answers import agreement_of, bins_of, confusion_of
from superneurons.report.run import Agreement
from superneurons.task.record import Record

LABELS = ("no", "yes")


def answered(n: int, wrong: dict[int, float], right: float = 0.9) -> tuple[list[Record], Answers]:
    """Records with answers of some confidence, of which some are wrong with another."""
    records = bright_records(n)
    labels, rows = [], []
    for number, record in enumerate(records):
        mistaken = number in wrong
        answer = LABELS[(record.label == "yes") != mistaken]
        sure = wrong.get(number, right + number / 1000)
        labels.append(answer)
        rows.append([1 - sure, sure] if answer == "yes" else [sure, 1 - sure])
    return records, Answers(labels, np.array(rows))


def test_bins_hold_all_answers_and_add_up_to_the_error() -> None:
    records, answers = answered(40, {3: 0.55, 10: 0.7, 11: 0.95})
    bins, ece = bins_of(records, answers, LABELS)
    assert sum(part.n for part in bins) == 40
    assert all(part.n for part in bins)
    assert all(part.low <= part.confidence <= part.high for part in bins)
    off = sum(part.n * abs(part.confidence - part.accuracy) for part in bins) / 40
    assert ece == pytest.approx(off)
    truth = [str(record.label) for record in records]
    scores = score(truth, answers.labels, classes=LABELS, probabilities=answers.probabilities)
    assert ece == pytest.approx(scores.ece)
    assert bins_of(records, replace(answers, probabilities=None), LABELS) == ((), None)


def test_labels_are_counted_against_answers() -> None:
    records, answers = answered(40, {3: 0.55, 10: 0.7, 11: 0.95})
    found = confusion_of(records, answers, LABELS)
    # Even numbers are dark: "no".
    assert found.labels == LABELS
    assert found.counts == ((19, 1), (2, 18))
    assert [example.id for example in found.wrong] == ["bright:11", "bright:10", "bright:3"]
    assert [example.confidence for example in found.wrong] == [0.95, 0.7, 0.55]
    assert [example.id for example in found.right[:2]] == ["bright:39", "bright:38"]
    assert [example.id for example in found.unsure[:3]] == ["bright:3", "bright:10", "bright:0"]
    assert len(found.right) == len(found.unsure) == 12
    first = found.wrong[0]
    assert (first.question, first.label, first.answer) == ("Is it bright?", "yes", "no")
    assert first.thumbnail.startswith("data:image/jpeg;base64,")
    assert first.path == ""


def test_no_picture_is_kept_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    records = [Record((path,), "Is it?", label) for label in LABELS]
    answers = Answers(["no", "no"], np.array([[0.9, 0.1], [0.8, 0.2]]))
    with_pictures = confusion_of(records, answers, LABELS)
    assert all(e.thumbnail for e in (*with_pictures.right, *with_pictures.wrong))
    without = confusion_of(records, answers, LABELS, thumbnails=False)
    assert not any(e.thumbnail for e in (*without.right, *without.wrong, *without.unsure))
    # A record without a name is known by its number, and by its file.
    assert [(e.id, e.path) for e in without.wrong] == [("record 1", str(path))]


def test_without_probabilities_nothing_is_unsure() -> None:
    records, answers = answered(6, {1: 0.6})
    found = confusion_of(records, replace(answers, probabilities=None), LABELS)
    assert [example.id for example in found.wrong] == ["bright:1"]
    assert found.unsure == ()


def test_of_own_options_the_place_counts_and_the_words_are_shown() -> None:
    records = choices(12)
    first = [(r.options or ())[0] for r in records]
    answers = Answers([*first[:3], "nothing of that", *first[4:]], np.full((12, 3), 1 / 3))
    found = confusion_of(records, answers, ())
    assert found.labels == ("A", "B", "C")
    assert np.sum(found.counts) == 11  # an answer that is no option is in no column
    assert np.array(found.counts)[:, 1:].sum() == 0
    shown = {example.answer for example in (*found.right, *found.wrong)}
    assert "nothing of that" in shown
    assert shown <= {"dark", "grey", "pale", "nothing of that"}
    assert sum(part.n for part in bins_of(records, answers, ())[0]) == 12


def test_who_is_right_is_counted_record_by_record() -> None:
    records = bright_records(8)  # no, yes, no, yes, …
    ours = Answers(["no", "yes", "yes", "yes", "no", "no", "no", "yes"])
    base = Answers(["no"] * 8)
    assert agreement_of(records, ours, base) == Agreement(3, 3, 1, 1)
