from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from superneurons.errors import DataError
from superneurons.task.groups import group_ids, groups_per_label
from superneurons.task.record import Record


def shows(*names: str, group: str | None = None) -> Record:
    return Record(tuple(Path(name) for name in names), "?", group=group)


def together(records: list[Record]) -> list[list[int]]:
    ids = group_ids(records)
    return sorted(np.flatnonzero(ids == group).tolist() for group in set(ids.tolist()))


def test_records_with_the_same_picture_are_one_group() -> None:
    assert together([shows("a"), shows("b"), shows("a")]) == [[0, 2], [1]]


def test_opened_pictures_count_by_their_pixels() -> None:
    black, white = Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "white")
    records = [Record((picture,), "?") for picture in (black, white, black.copy())]
    assert together(records) == [[0, 2], [1]]


def test_pictures_shared_through_others_are_one_group() -> None:
    records = [shows("a", "b"), shows("c", "d"), shows("b", "c"), shows("e")]
    assert together(records) == [[0, 1, 2], [3]]


def test_a_given_group_rules_over_pictures() -> None:
    records = [shows("a", group="1"), shows("a", group="2"), shows("b", group="1"), shows("a")]
    assert together(records) == [[0, 2], [1], [3]]


def test_a_group_named_like_a_picture_is_another_group(tmp_path: Path) -> None:
    path = str(tmp_path / "a.png")
    assert together([shows(path), shows("b", group=path)]) == [[0], [1]]


def test_a_record_without_picture_or_group_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        group_ids([shows("a"), Record((), "?", id="x:2"), Record((), "?", group="g")])
    assert [problem.where for problem in caught.value.problems] == ["x:2"]


def test_no_records_have_no_groups() -> None:
    assert group_ids([]).shape == (0,)


picture_lists = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3),
        st.none() | st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=20,
)


@given(picture_lists, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_ids_follow_the_records_in_any_order(rows: list, random: object) -> None:
    records = [shows(*names, group=group) for names, group in rows]
    order = random.sample(range(len(records)), len(records))
    assert group_ids([records[i] for i in order]).tolist() == group_ids(records)[order].tolist()


@given(picture_lists)
@settings(max_examples=60, deadline=None)
def test_a_picture_has_one_group_unless_groups_are_given(rows: list) -> None:
    records = [shows(*names, group=group) for names, group in rows]
    homes: dict[object, set[int]] = {}
    for record, group in zip(records, group_ids(records).tolist(), strict=True):
        for key in record.images if record.group is None else [record.group]:
            homes.setdefault(key, set()).add(group)
    assert all(len(groups) == 1 for groups in homes.values())


def test_groups_are_counted_per_label() -> None:
    counts = groups_per_label(["no", "yes", "no", "no"], np.array([0, 0, 0, 3]))
    assert counts == {"no": 2, "yes": 1}
