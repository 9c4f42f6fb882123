from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from superneurons.errors import DataError, OutputError
from superneurons.task.record import Record
from superneurons.vlm.refusal import taken_or_refused

RECORDS = [Record((Path(f"folder/{i}.png"),), "Why?", id=f"a.jsonl:{i}") for i in range(4)]
PICTURES = [[Image.new("RGB", (10 + i, 7))] for i in range(4)]


class Processor:
    """Takes records, except some; and nothing together with others of another kind."""

    def __init__(self, bad: dict[int, Exception], *, together: bool = True) -> None:
        self.bad = bad
        self.together = together
        self.calls: list[slice] = []

    def __call__(self, rows: slice) -> list[int]:
        self.calls.append(rows)
        asked = list(range(4))[rows]
        for number in asked:
            if number in self.bad:
                raise self.bad[number]
        if len(asked) > 1 and not self.together:
            raise ValueError("of different length")
        return asked


def test_what_is_taken_is_prepared_once() -> None:
    processor = Processor({})
    assert taken_or_refused(processor, RECORDS, PICTURES) == [0, 1, 2, 3]
    assert processor.calls == [slice(None)]


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), IndexError("no"), ZeroDivisionError("no"), OSError("no"), KeyError()],
)
def test_the_very_records_are_named_whatever_the_processor_raises(error: Exception) -> None:
    with pytest.raises(DataError, match="refuses 2 of 4 records") as caught:
        taken_or_refused(Processor({1: error, 3: error}), RECORDS, PICTURES)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["a.jsonl:1", "a.jsonl:3"]
    assert caught.value.problems[0].what.startswith("1.png (11 × 7 pixels): ")
    assert caught.value.mend


def test_each_record_has_its_own_reason() -> None:
    bad: dict[int, Exception] = {0: ValueError("too narrow"), 2: IndexError("out of range")}
    with pytest.raises(DataError) as caught:
        taken_or_refused(Processor(bad), RECORDS, PICTURES)
    said = [problem.what.partition(": ")[2] for problem in caught.value.problems]
    assert said == ["too narrow", "IndexError: out of range"]


def test_a_record_alone_is_not_tried_twice() -> None:
    processor = Processor({0: ZeroDivisionError()})
    opened = Record((Image.new("L", (1, 1)), Image.new("L", (2, 3))), "Same?")
    with pytest.raises(DataError, match="1 of 1 records") as caught:
        taken_or_refused(processor, [opened], [[Image.new("RGB", (1, 1)), torch.zeros(3, 2, 3)]])
    assert str(caught.value.problems[0]) == (
        "record 0: picture 1 (1 × 1 pixels), picture 2 (2 × 3 pixels): ZeroDivisionError"
    )
    assert len(processor.calls) == 1


def test_records_that_do_not_go_together_are_told_apart_from_bad_ones() -> None:
    with pytest.raises(DataError, match=r"not together: of different length") as caught:
        taken_or_refused(Processor({}, together=False), RECORDS, PICTURES)
    assert caught.value.where == "records a.jsonl:0 … a.jsonl:3"
    assert "batch" in str(caught.value.mend)


@dataclass
class Sized:
    """An image processor that scales pictures."""

    size: dict[str, int]

    @property
    def image_processor(self) -> Sized:
        return self


def test_a_picture_that_would_be_scaled_beyond_all_memory_is_refused_before_that() -> None:
    processor, sized = Processor({}), Sized({"shortest_edge": 336})
    shown = [[Image.new("RGB", (60, 30))], [Image.new("RGB", (1, 2000))], [torch.zeros(1, 900, 3)]]
    with pytest.raises(DataError, match="2 of 3 records have pictures too narrow") as caught:
        taken_or_refused(processor, RECORDS[:3], shown, sized)
    assert [problem.where for problem in caught.value.problems] == ["a.jsonl:1", "a.jsonl:2"]
    assert "1.png (1 × 2000 pixels): scaled to a shorter side of 336: 225,792,000 pixels" in str(
        caught.value
    )
    assert "2.png (900 × 1 pixels)" in str(caught.value)
    assert not processor.calls


@pytest.mark.parametrize(
    "size",
    [{"height": 336, "width": 336}, {"shortest_edge": 336, "longest_edge": 9000}, {}],
)
def test_narrow_pictures_are_left_to_processors_that_bound_them(size: dict[str, int]) -> None:
    shown = [[Image.new("RGB", (1, 2000))]]
    assert taken_or_refused(Processor({}), RECORDS[:1], shown, Sized(size))


def test_the_bound_is_that_of_opening_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, sized = [[Image.new("RGB", (1, 9))]], Sized({"shortest_edge": 10})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 900)
    assert taken_or_refused(Processor({}), RECORDS[:1], shown, sized)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 899)
    with pytest.raises(DataError, match="900 pixels"):
        taken_or_refused(Processor({}), RECORDS[:1], shown, sized)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert taken_or_refused(Processor({}), RECORDS[:1], shown, sized)


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), OutputError("Full.")])
def test_what_is_no_refusal_of_a_record_is_left_as_it_is(error: Exception) -> None:
    processor = Processor({2: error})
    with pytest.raises(type(error)) as caught:
        taken_or_refused(processor, RECORDS, PICTURES)
    assert caught.value is error
    assert len(processor.calls) == 1
