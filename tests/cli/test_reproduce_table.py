from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reproductions import made_up
from superneurons.cli.reproduce_table import print_agreement, print_reproduction
from superneurons.evaluate.reproduction.agreement import agreement


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_reproduction(made_up())
    return capsys.readouterr().out.splitlines()


def cells(line: str) -> list[str]:
    return line.split()


def test_no_line_is_wider_than_100_columns(lines: list[str]) -> None:
    assert max(len(line.rstrip()) for line in lines) <= 100


def test_ours_its_interval_and_the_papers_stand_below_each_other(lines: list[str]) -> None:
    place = next(i for i, line in enumerate(lines) if "by accuracy, majority" in line)
    assert cells(lines[place])[-9:] == ["87.5"] * 5 + ["15", "15", "1234", "92.0"]
    assert cells(lines[place + 1])[-5:] == ["75–100"] * 5
    assert cells(lines[place + 2]) == [
        "printed,", "Table", "2", "90.9", "–", "91.0", "91.4", "91.2", "–", "–", "–", "92.0",
    ]  # fmt: skip


def test_what_could_not_answer_has_dashes_and_a_reason(lines: list[str]) -> None:
    line = next(line for line in lines if line.strip().startswith("base model, first token "))
    assert cells(line)[-9:] == ["–"] * 6 + ["32", "–", "–"]
    assert "base model, first token: its words can't be told apart." in lines


def test_what_was_read_later_stands_under_its_own_heading(lines: list[str]) -> None:
    heading = next(i for i, line in enumerate(lines) if "at the first generated token:" in line)
    assert cells(lines[heading + 1])[-4:] == ["3", "32", "1", "–"]


def test_the_sets_are_apart_and_whole_questions_are_said_to_be_ours(lines: list[str]) -> None:
    text = " ".join(" ".join(lines).split())
    assert 'Validation: 8 binary questions, 4 of them "yes".' in text
    assert "(ours: the paper scores binary questions only): 4." in text
    probing = next(i for i, line in enumerate(lines) if "in-sample" in line)
    assert any("best neuron by F1" in line and "75.0" in line for line in lines[probing:])


def test_chance_is_told_for_both_tokens(lines: list[str]) -> None:
    text = " ".join(" ".join(lines).split())
    assert "the best of 131072 neurons reaches 53.8% on these 3000 questions" in text
    assert "the best one has 95.0%, at the first generated token." in text


def test_without_rows_of_the_paper_the_header_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_reproduction(replace(made_up(), paper=""))
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "pope, somewhere; no rows of the paper are of this task and model: ours only."


def test_an_agreement_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    same = agreement(made_up(), made_up())
    print_agreement(same, Path("kept"))
    assert capsys.readouterr().out == f"Again: all {same.figures} values are those of kept.\n"


def test_of_many_differences_the_first_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    before = made_up()
    differs = agreement(before, replace(before, ways=()))
    print_agreement(differs, Path("kept"))
    lines = capsys.readouterr().out.splitlines()
    assert len(differs.differing) > 20
    assert lines[0].startswith(f"Again: {len(differs.differing)} of {differs.figures} values")
    assert lines[-1] == f"  … and {len(differs.differing) - 20} more"
