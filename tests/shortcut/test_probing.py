from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictures import bright_records, choices, coloured, shades
from superneurons.errors import DataError
from superneurons.shortcut.probing import asked, probing_set
from superneurons.task.record import Record


def test_yes_and_no_are_asked_as_they_are() -> None:
    probing = probing_set(bright_records(10), balanced=True, seed=0)
    assert probing.labels == ("no", "yes")
    assert probing.form == "direct"
    assert probing.question == "Is it bright?"
    assert probing.y.tolist() == ["no", "yes"] * 5


def test_balancing_drops_the_more_frequent_label() -> None:
    records = [*bright_records(10), *[r for r in bright_records(20, seed=1) if r.label == "no"]]
    assert Counter(probing_set(records, balanced=True, seed=0).y) == {"no": 5, "yes": 5}
    assert Counter(probing_set(records, balanced=False, seed=0).y) == {"no": 15, "yes": 5}


@pytest.mark.parametrize("options", [False, True])
def test_more_than_two_answers_are_asked_one_by_one(options: bool) -> None:
    records = coloured(12, options)
    probing = probing_set(records, balanced=True, seed=0, multiclass="unrolled")
    assert probing.unrolled
    assert probing.form == "unrolled"
    assert probing.labels == (() if options else ("blue", "green", "red"))
    assert Counter(probing.y) == {"no": 12, "yes": 12}
    assert all("Is it" in record.question for record in probing.records)
    # the questions on one picture must never be parted
    assert len(np.unique(probing.groups)) == 12
    each = 2 if options else 3
    assert len(asked(records, probing)) == 12 * each


def test_more_than_two_answers_are_asked_at_once_where_they_can_be() -> None:
    records = [*shades(12), *[r for r in shades(9, seed=1) if r.label == "dark"]]
    probing = probing_set(records, balanced=True, seed=0)
    assert (probing.form, probing.labels) == ("direct", ("dark", "grey", "pale"))
    assert Counter(probing.y) == {"dark": 4, "grey": 4, "pale": 4}
    assert {record.question for record in probing.records} == {"How bright is it?"}
    every = probing_set(records, balanced=False, seed=0)
    assert Counter(every.y) == {"dark": 7, "grey": 4, "pale": 4}
    assert asked(records, probing) == records


def test_own_options_become_letters() -> None:
    records = choices(30)
    probing = probing_set(records, balanced=False, seed=0)
    assert (probing.form, probing.labels, probing.question) == ("lettered", (), "How bright is it?")
    for record, letters in zip(records, probing.records, strict=True):
        place = (record.options or ()).index(str(record.label))
        assert letters.label == "ABC"[place]
        assert f"{letters.label}) {record.label}" in letters.question
        assert letters.images == record.images
    balanced = probing_set(records, balanced=True, seed=0)
    rarest = min(Counter(probing.y).values())
    assert Counter(balanced.y) == dict.fromkeys("ABC", rarest)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (coloured(12, options=True), "All 12 records have the label 'A'"),
        ([*coloured(12, options=True), choices(4)[3]], "too few examples[\\s\\S]*label 'B': 1 rec"),
    ],
)
def test_letters_that_cannot_be_learnt_are_said(records: list[Record], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        probing_set(records, balanced=True, seed=0)
    assert "unrolled" in str(caught.value.mend)
    assert probing_set(records, balanced=True, seed=0, multiclass="unrolled").unrolled


def test_every_record_that_cannot_be_put_by_letter_is_listed() -> None:
    good = choices(6)
    bad = [
        replace(good[0], options=None, id="none"),
        replace(good[1], options=("grey",), id="one"),
        replace(good[2], options=("pale", "pale"), id="twice"),
        replace(good[3], options=(*map(str, range(26)), "dark"), id="many"),
    ]
    with pytest.raises(DataError) as caught:
        probing_set([*good, *bad], balanced=True, seed=0)
    assert [problem.where for problem in caught.value.problems] == ["none", "one", "twice", "many"]


def test_shuffling_deals_the_same_labels_out_anew() -> None:
    probing = probing_set(bright_records(30), balanced=True, seed=0)
    null = probing.shuffled(seed=1)
    assert Counter(null.y) == Counter(probing.y)
    assert 0.2 < np.mean(null.y == probing.y) < 0.8
    assert [r.images for r in null.records] == [r.images for r in probing.records]


def test_pictures_are_checked_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    records = [*bright_records(4), Record((tmp_path / "a.png",), "Is it bright?", "yes")]
    with pytest.raises(DataError, match=r"a\.png"):
        probing_set(records, balanced=True, seed=0)
