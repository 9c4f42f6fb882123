from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, coloured, shades
from superneurons.activations.capture import capture
from superneurons.errors import ModelError
from superneurons.evaluate import rivals
from superneurons.evaluate.rivals import (
    BaseTask,
    base_task,
    generated_labels,
    logits_of,
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


def test_letters_are_places_among_the_options_of_each_record(llava: VLM) -> None:
    """The task asks for as many letters as the longest list of options has."""
    records = choices(6)
    task = base_task(llava, records, ())
    assert task.words is not None
    assert task.words.labels == ("A", "B", "C")
    two = next(r for r in records if len(r.options or ()) == 2)
    three = next(r for r in records if len(r.options or ()) == 3)
    assert task.labels([two, three], ["C", "C"]) == ["", (three.options or ())[2]]
    plain = [replace(record, options=None) for record in records]
    assert base_task(llava, plain, ["dark", "grey", "pale"]).asked(plain) is plain


def test_calibration_fits_what_the_probing_records_have_and_answers_nothing_else(
    llava: VLM,
) -> None:
    records = [replace(r, label="dark" if i % 2 else "grey") for i, r in enumerate(shades(20))]
    task = base_task(llava, records, ["dark", "grey", "pale"])
    logits = np.zeros((20, 3), np.float32)
    logits[:, 2] = 9  # what no probing record is leads everywhere
    logits[1::2, 0] = 1
    assert set(task.raw(records, logits)) == {"pale"}
    learnt = task.calibrated(records[:10], logits[:10], records[10:], logits[10:])
    assert learnt == [record.label for record in records[10:]]


def test_with_one_label_there_is_nothing_to_calibrate(llava: VLM) -> None:
    records = bright_records(6)
    task = base_task(llava, records, ["no", "yes"])
    logits = np.array([[1.0, 0.0], [0.0, 1.0]] * 3, np.float32)
    bright = [record for record in records if record.label == "yes"]
    assert task.calibrated(bright, logits[:3], records, logits) == ["no", "yes"] * 3


def test_without_label_words_nothing_is_captured_along(llava: VLM) -> None:
    with pytest.raises(ModelError, match="No label logits"):
        logits_of(capture(llava, bright_records(2)))
    task = BaseTask(None, by_letter=False, why_not="alike")
    with pytest.raises(ModelError, match="No label logits"):
        task.logits(llava, bright_records(2))


def test_logits_are_those_of_the_label_words_in_batches_that_are_told(llava: VLM) -> None:
    records = bright_records(5)
    task = base_task(llava, records, ["no", "yes"])
    told: list[tuple[int, int]] = []
    found = task.logits(
        llava, records, batch_size=2, progress=lambda done, n: told.append((done, n))
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert task.words is not None
    with torch.inference_mode():
        for record, row in zip(records, found, strict=True):
            inputs = llava.encode([record])
            logits = llava.model(**inputs.tensors).logits[0, -1]  # type: ignore[operator]
            own = [logits[list(ids)].logsumexp(dim=0).item() for ids in task.words.tokens]
            np.testing.assert_allclose(row, own, atol=1e-3)


def test_what_is_generated_is_parsed_by_the_options_of_its_own_record(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = coloured(5, options=True)
    task = base_task(llava, records, ())
    said = iter(["B", "A) blue?", "no idea", "Answer: B", "A"])
    sizes: list[int] = []

    def speak(_: VLM, inputs: Sequence[object]) -> list[str]:
        sizes.append(len(inputs))
        return [next(said) for _ in range(len(inputs))]

    monkeypatch.setattr(rivals, "generate_answers", speak)
    told: list[tuple[int, int]] = []
    found = generated_labels(
        llava, task, records, (), batch_size=2, progress=lambda done, n: told.append((done, n))
    )
    first, second = records[0].options or (), records[3].options or ()
    assert found == [first[1], (records[1].options or ())[0], "", second[1],
                     (records[4].options or ())[0]]  # fmt: skip
    assert sizes == [2, 2, 1]
    assert told == [(2, 5), (4, 5), (5, 5)]


@given(places=st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_the_majority_of_places_is_the_most_frequent_and_of_equals_the_first(
    places: list[int],
) -> None:
    names = ("a", "b", "c")
    picture = coloured(1)[0]
    probe = [replace(picture, options=names, label=names[place]) for place in places]
    asked = [replace(picture, options=options) for options in (("x", "y", "z"), ("x", "y"))]
    counts = [places.count(place) for place in range(3)]
    best = counts.index(max(counts))
    assert majority_labels(probe, asked, ()) == ["xyz"[best], "xy"[best : best + 1]]
    alike = [replace(record, options=None) for record in probe]
    assert majority_labels(alike, asked, names) == [names[best]] * 2


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(24)))
def test_the_order_of_the_probing_records_changes_no_answer_from_words(order: list[int]) -> None:
    words = ("bright", "dark", "of light", "of shadow")
    records = [
        replace(r, question=f"Is it {words[i % 4]}?", label="no" if i % 3 else "yes")
        for i, r in enumerate(bright_records(30))
    ]
    labels = ["no", "yes"]
    straight = text_only_labels(records[:24], records[24:], labels)
    assert text_only_labels([records[i] for i in order], records[24:], labels) == straight
