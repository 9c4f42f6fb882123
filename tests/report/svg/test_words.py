from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.report.svg.words import (
    count,
    ends,
    middle_cut,
    percent,
    short,
    significant,
    unbroken,
    with_ends,
)

_SPACE = "\N{NO-BREAK SPACE}"


def test_shares_are_percentages_whose_sign_stays_with_them() -> None:
    assert percent(0.5) == f"50.0{_SPACE}%"
    assert percent(0.9996, 0) == f"100{_SPACE}%"
    assert ends((0.0, 1.0)) == "0.0 to 100.0"
    assert with_ends(0.943, (0.918, 0.968)) == f"94.3{_SPACE}% (91.8 to 96.8)"
    assert with_ends(0.943, None) == f"94.3{_SPACE}%"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.031, "0.031"),
        (0.999, "1"),
        (1.0, "1.0"),
        (99.94, "99.9"),
        (100, "100"),
        (1234.5, "1,234"),
    ],
)
def test_times_have_the_digits_that_one_can_use(value: float, written: str) -> None:
    assert significant(value) == written


def test_numbers_agree_with_their_nouns() -> None:
    assert [count(n, "neuron") for n in (0, 1, 2)] == ["0 neurons", "1 neuron", "2 neurons"]
    assert count(1, "was", "were") == "1 was"


@given(st.text(), st.integers(4, 40))
def test_what_is_cut_is_no_longer_than_asked_and_shows_it(words: str, most: int) -> None:
    for cut in (short(words, most), middle_cut(words, most)):
        assert len(cut) <= most
        assert cut == words if len(words) <= most else "…" in cut


def test_the_end_of_a_path_is_kept() -> None:
    assert middle_cut("/a/very/long/way/to/scene-17.png", 16).endswith("scene-17.png"[-11:])


def test_percent_signs_stay_with_their_numbers_and_nothing_else_changes() -> None:
    assert unbroken("a b, 95 %: 3 % c") == f"a b, 95{_SPACE}%: 3{_SPACE}% c"
