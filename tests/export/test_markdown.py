"""Text from elsewhere stays text in Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.export.markdown import as_code, as_words

_ODD = st.text("ab`*_|<>[]\\ \n-#:", max_size=20)


@given(_ODD)
def test_words_have_no_mark_that_is_not_escaped(text: str) -> None:
    shown = as_words(text)
    assert re.fullmatch(r"(?:[^\\`*_|<>\[\]\n]|\\[\\`*_|<>\[\]])*", shown)
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(text.split())


@given(_ODD)
def test_code_ends_where_it_began_with_as_many_marks(text: str) -> None:
    shown = as_code(text)
    fence = (re.match("`+", shown) or [""])[0]
    assert shown.endswith(fence)
    inner = shown[len(fence) : -len(fence)] if len(shown) >= 2 * len(fence) else ""
    assert fence not in re.findall("`+", inner)
    assert inner.replace(r"\|", "|").strip() == " ".join(text.split())
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("text", "code"),
    [("yes", "`yes`"), ("a|b", r"`a\|b`"), ("`", "`` ` ``"), ("a``b", "``` a``b ```"), (7, "`7`")],
)
def test_code_as_it_is_written(text: object, code: str) -> None:
    assert as_code(text) == code
