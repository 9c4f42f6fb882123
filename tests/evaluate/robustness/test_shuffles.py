from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pictures import bright_records
from superneurons.errors import DataError
from superneurons.evaluate.robustness.shuffles import (
    deal,
    with_labels_of,
    with_pictures_of,
    with_questions_of,
)
from superneurons.task.groups import group_ids
from superneurons.task.record import Record


@pytest.fixture
def records() -> list[Record]:
    return [replace(r, question=f"Is it {i}?") for i, r in enumerate(bright_records(10))]


def test_each_record_is_dealt_out_once(records: list[Record]) -> None:
    dealt = deal(records, seed=1)
    assert sorted(dealt.tolist()) == list(range(10))
    assert dealt.tolist() == deal(records, seed=1).tolist()
    assert dealt.tolist() != deal(records, seed=2).tolist()


def test_what_is_dealt_says_nothing_of_the_label() -> None:
    labels = np.arange(10) % 2
    same = [np.mean(labels[deal(bright_records(10), seed=s)] == labels) for s in range(200)]
    assert np.mean(same) == pytest.approx(0.5, abs=0.04)


def test_one_group_cannot_be_shuffled(records: list[Record]) -> None:
    with pytest.raises(DataError, match="one group"):
        deal([replace(record, group="all") for record in records], seed=0)


def test_pictures_go_elsewhere_and_all_else_stays(records: list[Record]) -> None:
    dealt = np.roll(np.arange(10), 3)
    changed = with_pictures_of(records, dealt)
    for i, record in enumerate(changed):
        assert record.images is records[dealt[i]].images
        assert (record.question, record.label) == (records[i].question, records[i].label)
    assert group_ids(changed).tolist() == group_ids([replace(c, images=r.images) for c, r in zip(
        changed, records, strict=True)]).tolist()  # fmt: skip


def test_both_ways_to_shuffle_ask_the_same(records: list[Record]) -> None:
    dealt = deal(records, seed=5)
    pictures, questions = with_pictures_of(records, dealt), with_questions_of(records, dealt)

    def pairs(made: list[Record]) -> set[tuple[int, str]]:
        return {(id(record.images[0]), record.question) for record in made}

    assert pairs(pictures) == pairs(questions) != pairs(records)
    for i, record in enumerate(questions):
        assert record.images is records[i].images
        assert record.label == records[i].label


def test_labels_go_elsewhere_and_all_else_stays(records: list[Record]) -> None:
    order = np.roll(np.arange(10), 1)
    changed = with_labels_of(records, order)
    assert [r.label for r in changed] == [records[i].label for i in order]
    assert [(r.images, r.question) for r in changed] == [(r.images, r.question) for r in records]


def test_groups_are_kept(records: list[Record]) -> None:
    grouped = [replace(record, group=f"g{i // 2}") for i, record in enumerate(records)]
    for make in (with_pictures_of, with_questions_of, with_labels_of):
        groups = group_ids(make(grouped, np.roll(np.arange(10), 3)))
        assert groups.tolist() == group_ids(grouped).tolist()
