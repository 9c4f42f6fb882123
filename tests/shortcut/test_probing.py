from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pictures import bright_records, coloured
from superneurons.errors import DataError
from superneurons.shortcut.probing import asked, probing_set
from superneurons.task.record import Record


def test_yes_and_no_are_asked_as_they_are() -> None:
    probing = probing_set(bright_records(10), balanced=True, seed=0)
    assert probing.labels == ("no", "yes")
    assert not probing.unrolled
    assert probing.question == "Is it bright?"
    assert probing.y.tolist() == ["no", "yes"] * 5


def test_balancing_drops_the_more_frequent_label() -> None:
    records = [*bright_records(10), *[r for r in bright_records(20, seed=1) if r.label == "no"]]
    assert Counter(probing_set(records, balanced=True, seed=0).y) == {"no": 5, "yes": 5}
    assert Counter(probing_set(records, balanced=False, seed=0).y) == {"no": 15, "yes": 5}


@pytest.mark.parametrize("options", [False, True])
def test_more_than_two_answers_are_asked_one_by_one(options: bool) -> None:
    records = coloured(12, options)
    probing = probing_set(records, balanced=True, seed=0)
    assert probing.unrolled
    assert probing.labels == (() if options else ("blue", "green", "red"))
    assert Counter(probing.y) == {"no": 12, "yes": 12}
    assert all("Is it" in record.question for record in probing.records)
    # the questions on one picture must never be parted
    assert len(np.unique(probing.groups)) == 12
    each = 2 if options else 3
    assert len(asked(records, probing)) == 12 * each


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
