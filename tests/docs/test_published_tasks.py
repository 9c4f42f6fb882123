"""The page of published tasks, as the registry has them."""

from __future__ import annotations

import published_tasks as script
import pytest

from superneurons.task.published.mirrors import MIRRORS
from superneurons.task.published.registry import published


def cells(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_page_is_what_the_registry_says() -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.written(text) == text, "python docs/published_tasks.py writes it anew"


def test_every_task_has_a_row_and_its_files() -> None:
    assert [row[0].strip("`") for row in cells(script.overview())] == list(published())
    sections = script.files()
    for task in published().values():
        assert f"`{task.name}`" in sections
        assert all(note.replace("*", "\\*") in sections for note in task.notes)


def test_counts_and_probing_sets_are_told() -> None:
    row = next(row for row in cells(script.overview()) if row[0] == "`aokvqa`")
    assert row[3:] == [
        "`train` (17,056)",
        "`val` (1,145)",
        "3,000 yes/no questions",
        "arXiv:2603.10781",
    ]


def test_every_known_hub_dataset_has_a_row() -> None:
    rows = {row[0].strip("`"): row[1:] for row in cells(script.mirrors())}
    assert set(rows) == set(MIRRORS)
    assert rows["huggingfacem4/a-okvqa"] == [
        "`image`",
        "`question`",
        "`correct_choice_idx`",
        "`choices`",
        "refused",
    ]
    assert rows["derek-thomas/scienceqa"][-1] == "left out"


def test_a_table_is_put_between_its_marks_and_nowhere_else() -> None:
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    assert script.put(text, "x", "| new |") == "a\n<!-- x -->\n| new |\n<!-- /x -->\nb\n"


@pytest.mark.parametrize("text", ["", "<!-- x -->", "<!-- x --><!-- /x -->" * 2])
def test_marks_that_are_missing_or_twice_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="marks"):
        script.put(text, "x", "table")
