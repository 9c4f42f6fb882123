from __future__ import annotations

from typing import Any

import pytest

from report.drawn import Page
from report.runs import sparse_run
from superneurons.report.page.section import placed_section
from superneurons.report.page.setting import setting_sections


def _page(setting: dict[str, Any], command: str = "superneurons fit") -> Page:
    (section,) = setting_sections(sparse_run(setting=setting, command=command))
    return Page(placed_section(section))


def test_the_command_is_there_as_it_is_with_a_button_that_copies_it() -> None:
    command = "superneurons fit --data 'a b.jsonl' --question \"Is it <b>?\""
    page = _page({}, command)
    assert page.text("code", id="command") == command
    (button,) = page.of("button")
    assert button["data-copies"] == "command"


def test_without_settings_there_is_no_list() -> None:
    assert not _page({}).of("dl")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("float16", "float16"),
        (500, "500"),
        (1234, "1234"),
        (0, "0"),
        (False, "no"),
        (True, "yes"),
        (0.000001, "1e-06"),
        (["no", "yes"], "no, yes"),
        ([1, 2], "[1, 2]"),
        ("<image>{question}", "<image>{question}"),
    ],
)
def test_values_are_written_plainly(value: Any, written: str) -> None:
    page = _page({"some_name": value})
    assert page.text("dt") == "some name"
    assert page.text("dd") == written


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_what_is_empty_is_left_out(value: Any) -> None:
    assert not _page({"name": value}).of("dd")


def test_settings_within_settings_have_both_names() -> None:
    page = _page({"versions": {"torch": "2.13.0", "numpy": "2.1"}})
    assert page.text("dl") == "versions: torch2.13.0versions: numpy2.1"
