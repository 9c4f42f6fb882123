from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest

from superneurons.task.notices import DataNotice, Treatment, notice_of


def test_nothing_is_said_where_nothing_is_done() -> None:
    assert notice_of([]) is None
    assert notice_of([("a.png", []), ("b.png", ())]) is None


def test_each_treatment_is_counted_with_examples() -> None:
    found: list[tuple[str, Iterable[Treatment]]] = [
        (f"some/where/{i}.png", ["transparent"]) for i in range(5)
    ]
    found.append(("x.gif", ["frames", "transparent"]))
    notice = notice_of(found)
    assert notice is not None
    said = str(notice)
    assert "transparent, laid over white: 6 (0.png, 1.png, 2.png …)" in said
    assert "the first counts: 1 (x.gif)." in said
    assert "CMYK" not in said


def test_every_treatment_can_be_said() -> None:
    kinds: tuple[Treatment, ...] = ("transparent", "frames", "16-bit", "CMYK", "EXIF")
    texts = {kind: str(notice_of([("a.png", [kind])])) for kind in kinds}
    assert len(set(texts.values())) == len(kinds)
    together = str(notice_of([("a.png", kinds)]))
    for text in texts.values():
        assert text.rpartition("stored: ")[2].rstrip(".") in together


def test_pictures_of_the_same_name_are_told_apart() -> None:
    notice = notice_of([("one/a.png", ["CMYK"]), ("two/a.png", ["CMYK"])])
    assert notice is not None
    assert ": 2 (a.png, a.png)" in str(notice)
    assert notice.told == {("CMYK", "one/a.png"), ("CMYK", "two/a.png")}


def test_a_notice_is_a_warning_that_can_be_silenced() -> None:
    notice = notice_of([("a.png", ["16-bit"])])
    with pytest.warns(DataNotice, match="16 bits"):
        __import__("warnings").warn(notice, stacklevel=1)
    again = copy.copy(notice)
    assert isinstance(again, UserWarning)
    assert str(again) == str(notice)
