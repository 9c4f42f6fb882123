from __future__ import annotations

from typing import get_args

import pytest

from report.drawn import Page
from report.runs import fitted_run, full_run, sparse_run
from superneurons.report.page.missing import missing_sections, not_measured
from superneurons.report.page.section import placed_section
from superneurons.report.run import Bin, Kind


def test_nothing_is_missing_from_a_run_that_measured_everything() -> None:
    assert not_measured(full_run()) == ()
    assert list(missing_sections(full_run())) == []


def test_each_thing_has_a_line_with_commands_that_exist() -> None:
    lines = not_measured(sparse_run())
    assert len(lines) == 7
    for _, commands in lines:
        assert set(commands.split(", ")) <= set(get_args(Kind))


def test_only_what_is_missing_has_one() -> None:
    names = [name for name, _ in not_measured(fitted_run())]
    assert len(names) == 5
    assert not any("exit layer" in name or "one by one" in name for name in names)


def test_bins_without_answers_measured_nothing() -> None:
    run = full_run(bins=(Bin(0.5, 1.0, 0, 0.0, 0.0),))
    assert [name for name, _ in not_measured(run)] == ["Whether confidence can be trusted"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"agreement": None}, "superneurons compare or superneurons eval measures it."),
        ({"tradeoffs": ()}, "superneurons compare, superneurons search or superneurons demo"),
    ],
)
def test_commands_are_listed_in_words(changes: dict[str, object], line: str) -> None:
    (section,) = missing_sections(full_run(**changes))
    assert line in Page(placed_section(section)).text("li")
