from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records, coloured
from superneurons.evaluate.rivals import (
    base_task,
    generated_labels,
    majority_labels,
    text_only_labels,
)
from superneurons.task.record import Record
from superneurons.vlm.model import VLM


def test_label_words_are_compared_by_their_first_token(vlm: VLM) -> None:
    records = bright_records(6)
    task = base_task(vlm, records, ["no", "yes"])
    logits = task.logits(vlm, records)
    assert logits.shape == (6, 2)
    assert task.raw(records, logits) == [["no", "yes"][i] for i in logits.argmax(axis=1)]


def test_options_of_their_own_are_asked_by_letter(vlm: VLM) -> None:
    records = coloured(6, options=True)
    task = base_task(vlm, records, ())
    assert task.by_letter
    assert "A) blue\nB) green" in task.asked(records)[0].question
    assert task.labels(records, ["A", "B", "A", "Z", "", "B"]) == [
        "blue", "red", "red", "", "", "blue",
    ]  # fmt: skip


def test_labels_that_start_alike_say_why_not(vlm: VLM) -> None:
    task = base_task(vlm, bright_records(4), ["cat", "cow"])
    assert task.words is None
    assert "label 'cat'" in task.why_not


def test_calibration_learns_from_the_probing_records_only(vlm: VLM) -> None:
    records = bright_records(20)
    task = base_task(vlm, records, ["no", "yes"])
    # logits that say "yes" always, but more so for a bright picture
    logits = np.array([[0.0, 3.0 + 2.0 * (r.label == "yes")] for r in records], np.float32)
    assert set(task.raw(records, logits)) == {"yes"}
    learnt = task.calibrated(records[:10], logits[:10], records[10:], logits[10:])
    assert learnt == [record.label for record in records[10:]]


def test_generated_text_that_names_no_label_is_no_answer(vlm: VLM) -> None:
    records = bright_records(3)
    task = base_task(vlm, records, ["no", "yes"])
    found = generated_labels(vlm, task, records, ["no", "yes"], batch_size=2)
    assert len(found) == 3
    assert set(found) <= {"no", "yes", ""}


def test_words_that_give_the_answer_away_are_found() -> None:
    records = [
        replace(r, question="Is this one bright?" if r.label == "yes" else "Is this one dark?")
        for r in bright_records(40)
    ]
    assert text_only_labels(records[:20], records[20:], ["no", "yes"]) == [
        r.label for r in records[20:]
    ]


def test_words_that_do_not_are_worth_nothing() -> None:
    records = bright_records(40)
    guesses = text_only_labels(records[:20], records[20:], ["no", "yes"])
    assert len(set(guesses)) == 1


@pytest.mark.parametrize("n", [6])
def test_a_favourite_option_is_found(n: int) -> None:
    records: list[Record] = [
        replace(r, options=("blue", "green", "red")[i % 2 :], label="red")
        for i, r in enumerate(coloured(n))
    ]
    assert text_only_labels(records, records, ()) == ["red"] * n


def test_the_majority_is_that_of_the_probing_records() -> None:
    records = bright_records(6)
    mostly = [replace(r, label="yes") for r in records[:4]] + records[4:5]
    assert majority_labels(mostly, records[:3], ["no", "yes"]) == ["yes"] * 3
    assert majority_labels(records, records[:2], ["no", "yes"]) == ["no"] * 2  # of equals the first


def test_the_majority_of_own_options_is_a_place_and_no_name() -> None:
    first = [replace(r, options=("x", str(r.label), "y")) for r in coloured(6)]
    asked = [replace(r, options=options) for r, options in zip(
        coloured(2), (("red", "blue"), ("green",)), strict=True
    )]  # fmt: skip
    assert majority_labels(first, asked, ()) == ["blue", ""]
