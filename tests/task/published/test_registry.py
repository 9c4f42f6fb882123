from __future__ import annotations

import re

import pytest

from superneurons.errors import DataError
from superneurons.task.published.registry import find_task, published


def test_every_task_of_the_papers_is_there() -> None:
    yes_no = {"pope", "pope-voc", "instaorder-occlusion", "instaorder-depth", "vizwiz", "clevr"}
    assert yes_no | {"vlguard", "mhalubench", "naturalbench"} <= set(published())


@pytest.mark.parametrize("name", published())
def test_a_task_says_all_that_is_needed(name: str) -> None:
    task = published()[name]
    assert re.fullmatch("[a-z][a-z0-9-]+", name)
    assert task.name == name
    assert task.title
    assert task.question
    assert task.answers
    assert "arXiv:" in task.paper
    assert task.licence
    for split, parts in task.splits.items():
        assert re.fullmatch(r"[a-z][a-z0-9.-]*", split)
        assert parts.role in {"probe", "test", "all", "ask"}
        assert parts.needs
        for needed in parts.needs:
            assert needed.source.startswith("http")
            assert not needed.path.startswith("/")
            assert all(place.endswith("/") == needed.path.endswith("/") for place in needed.also)


def test_a_task_that_is_not_known_names_a_near_one() -> None:
    assert find_task("clevr").title == "CLEVR (yes/no)"
    with pytest.raises(DataError, match=r"no published task 'clever'(.|\n)*Did you mean 'clevr'"):
        find_task("clever")
    with pytest.raises(DataError, match="tasks list") as caught:
        find_task("zzzzzz")
    assert "Did you mean" not in str(caught.value)


def test_a_family_of_tasks_names_each() -> None:
    with pytest.raises(DataError) as caught:
        find_task("instaorder")
    assert "Did you mean 'instaorder-depth' or 'instaorder-occlusion'?" in str(caught.value)
