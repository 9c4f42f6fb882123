from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import DataError
from superneurons.task.published.streaming import list_items, lists_items

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.text(), VALUES, max_size=3), st.lists(VALUES), st.sampled_from([None, 0, 3])
)
def test_it_gives_what_json_gives(before: dict[str, Any], items: list[Any], indent: int) -> None:
    before.pop("questions", None)
    text = json.dumps(before | {"questions": items, "after": 1}, indent=indent)
    assert list(list_items(text, "questions", "q.json")) == items


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("[]", 1),
        ('{"info": {}}', 1),
        ('{"questions": 5}', 1),
        ('{"questions": [1,\n2\n3]}', 3),
        ('{"questions": [1,', 1),
        ('{"questions": [1,]}', 1),
        ("{[1]: 2}", 1),
        ('{\n"a": nope, "questions": []}', 2),
    ],
)
def test_what_has_no_such_list_is_said_by_its_line(text: str, line: int) -> None:
    with pytest.raises(DataError, match=f"q.json:{line}"):
        list(list_items(text, "questions", "q.json"))


def test_several_lists_come_as_they_lie_in_the_file() -> None:
    text = '{"a": [1, 2], "b": {"c": [9]}, "c": [], "d": [3], "e": 5}'
    assert list(lists_items(text, ("d", "c", "a"), "x.json")) == [("a", 1), ("a", 2), ("d", 3)]
    with pytest.raises(DataError, match="with 'e' and 'z'"):
        list(lists_items(text, ("z", "a", "e"), "x.json"))
