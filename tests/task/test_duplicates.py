from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from superneurons.shortcut.probing import probing_set
from superneurons.task.duplicates import warn_of_contradictions
from superneurons.task.labels import DataWarning
from superneurons.task.record import ImageSource, Record


def record(number: int, label: str, *images: ImageSource, **more: object) -> Record:
    question = str(more.pop("question", "Cat?"))
    return Record(images or (Path("a.png"),), question, label, id=f"x:{number}", **more)


def complaint(records: list[Record]) -> str | None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_contradictions(records)
    assert all(issubclass(one.category, DataWarning) for one in caught)
    return str(caught[0].message) if caught else None


def test_records_are_counted_and_the_first_are_named() -> None:
    a, b, c = (Path(f"{name}.png") for name in "abc")
    records = [record(0, "yes", a), record(1, "no", b), record(2, "no", a), record(3, "no", c)]
    records += [record(4, "yes", c), record(5, "no", c), record(6, "no", b)]
    with pytest.warns(DataWarning, match=r"^5 of 7 .*: x:0, x:2, x:3, x:4, x:5\. Keep one"):
        warn_of_contradictions(records)


def test_a_long_list_is_cut_short_and_records_without_id_go_by_number() -> None:
    records = [Record((Path("a.png"),), "Cat?", "yes" if i else "no") for i in range(9)]
    assert "9 of 9" in (complaint(records) or "")
    assert ": record 0, record 1, record 2, record 3, record 4, record 5 …" in complaint(records)


@pytest.mark.parametrize(
    "other",
    [
        record(1, "yes"),
        record(1, "no", question="Dog?"),
        record(1, "no", Path("b.png")),
        record(1, "no", Path("a.png"), Path("b.png")),
        record(1, "no", options=("yes", "no")),
    ],
    ids=["same label", "question", "picture", "more pictures", "options"],
)
def test_what_differs_contradicts_nothing(other: Record) -> None:
    assert complaint([record(0, "yes"), other]) is None


def test_the_order_of_pictures_counts_and_that_of_options_does_not() -> None:
    a, b = Path("a.png"), Path("b.png")
    assert complaint([record(0, "yes", a, b), record(1, "no", b, a)]) is None
    options = [("yes", "no"), ("no", "yes")]
    assert complaint([record(i, own[0], options=own) for i, own in enumerate(options)])


def test_the_group_does_not_make_another_picture() -> None:
    assert complaint([record(0, "yes", group="one"), record(1, "no", group="other")])


def test_opened_pictures_are_the_same_by_their_pixels() -> None:
    black, white = Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "white")
    twins = [record(0, "yes", black), record(1, "no", black.copy()), record(2, "no", white)]
    assert "2 of 3" in (complaint(twins) or "")
    assert complaint([record(0, "yes", black), record(1, "no", white)]) is None
    assert complaint([record(0, "yes", black), record(1, "no", Image.new("L", (1, 4)))]) is None


def test_a_link_is_the_same_picture(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    records = [record(i, label, tmp_path / f"{label}.png") for i, label in enumerate("ab")]
    assert "2 of 2" in (complaint(records) or "")


def test_no_records_are_no_trouble() -> None:
    assert complaint([]) is None


rows = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["Cat?", "Dog?"]), st.sampled_from("nyz")),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_it_counts_the_records_that_any_other_contradicts(rows: list, rng: random.Random) -> None:
    records = [Record((Path(name),), question, label) for name, question, label in rows]
    clashing = sum(
        any(one[:2] == other[:2] and one[2] != other[2] for other in rows) for one in rows
    )
    wanted = f"{clashing} of {len(rows)} records" if clashing else "None"
    assert str(complaint(records)).startswith(wanted)
    rng.shuffle(records)
    assert str(complaint(records)).startswith(wanted)


def test_a_probing_set_is_made_with_one_warning_that_points_to_the_caller() -> None:
    pictures = [Image.new("RGB", (2, 2), (i, 0, 0)) for i in range(6)]
    records = [record(i, "no" if i % 2 else "yes", p) for i, p in enumerate(pictures)]
    records.append(record(6, "no", pictures[0].copy()))

    def fit() -> None:
        probing_set(records, balanced=False, seed=0)

    with pytest.warns(DataWarning, match="2 of 7 .* x:0, x:6") as caught:
        fit()
    assert [one.filename for one in caught] == [__file__]
