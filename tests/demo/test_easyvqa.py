from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from superneurons.demo import easyvqa
from superneurons.demo.easyvqa import (
    COLOURS,
    SHAPES,
    Part,
    balanced_questions,
    easy_questions,
    picture,
)
from superneurons.errors import MissingExtraError

PARTS: tuple[Part, ...] = ("train", "probe", "test")


def test_parts_hold_the_official_questions() -> None:
    numbers = {part: {number for number, _, _ in easy_questions(part)} for part in PARTS}
    assert max(numbers["train"]) < 3000 <= min(numbers["probe"])
    assert max(numbers["probe"]) == 3999
    assert len(easy_questions("train")) + len(easy_questions("probe")) == 38_575
    assert len(easy_questions("test")) == 9_673


def test_answers_are_the_thirteen_and_yes_no_is_asked_for() -> None:
    rows = easy_questions("test")
    assert {answer for _, _, answer in rows} == {"Yes", "No", *SHAPES, *COLOURS}
    for _, question, answer in rows:
        assert question.endswith("Answer yes or no.") == (answer in ("Yes", "No"))


@pytest.mark.parametrize("part", PARTS)
def test_balanced_strings_have_both_answers_equally_often(part: Part) -> None:
    counts: dict[str, Counter[str]] = {}
    rows = balanced_questions(part, np.random.default_rng(0))
    for _, question, answer in rows:
        counts.setdefault(question, Counter())[answer] += 1
    assert all(c["Yes"] == c["No"] for c in counts.values())
    kinds = Counter(answer in ("Yes", "No") for _, _, answer in rows)
    assert kinds[True] > 0.5 * kinds[False]


def test_pictures_are_enlarged() -> None:
    image = picture("train", 0)
    assert image.size == (128, 128)
    assert image.mode == "RGB"
    assert image.tobytes() != picture("test", 0).tobytes()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(easyvqa, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"superneurons\[demo\]"):
        easy_questions("test")
