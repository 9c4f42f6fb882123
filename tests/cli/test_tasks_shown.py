from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from superneurons.cli.tasks_shown import (
    checked_as_dict,
    checked_lines,
    task_as_dict,
    task_lines,
)
from superneurons.errors import Problem
from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.check import CheckedSplit
from superneurons.task.published.registry import published

QUESTIONS = Needed("a/b/q.json", "questions", "https://x.org/q", also=("q.json",))
PICTURES = Needed("a/p/", "pictures", "https://x.org/p")
TASK = Published(
    name="toy",
    title="Toy",
    question="Is it {thing}?",
    answers=("yes", "no"),
    splits={
        "train": Split((PICTURES,), lambda _: [], "probe"),
        "val": Split((QUESTIONS, PICTURES), lambda _: [], "test", 7),
        "hidden": Split((QUESTIONS,), lambda _: [], "ask"),
    },
    paper="arXiv:0",
    licence="none",
    n_probe=30,
    unrolled=True,
    notes=("One.", "Two."),
)


def test_a_task_is_described_from_question_to_command() -> None:
    assert list(task_lines(TASK)) == [
        "toy: Toy",
        "  question   Is it {thing}?",
        "  answers    yes, no",
        "  probed on  30 records, balanced, asked option by option",
        "  paper      arXiv:0",
        "  licence    none",
        "  splits",
        "    train            to probe on",
        "    val              to score on, 7 records",
        "    hidden           to ask only, no labels",
        "  files, in a folder of your choice",
        "    a/",
        "      b/",
        f"    {'    q.json':<40} questions: https://x.org/q",
        f"    {'  p/':<40} pictures: https://x.org/p",
        "  notes",
        "    - One.",
        "    - Two.",
        "  then       --data toy:FOLDER@probe --test toy:FOLDER@val",
    ]


def test_long_notes_are_folded() -> None:
    noted = replace(TASK, notes=("word " * 60,))
    shown = list(task_lines(noted))
    assert max(map(len, shown)) <= 100
    assert " ".join(" ".join(shown).split()).count("word") == 60


def test_json_holds_the_same() -> None:
    shown = task_as_dict(TASK)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["splits"]["val"] == {
        "role": "test",
        "records": 7,
        "files": [
            {
                "path": "a/b/q.json",
                "also": ["q.json"],
                "what": "questions",
                "source": "https://x.org/q",
            },
            {"path": "a/p/", "also": [], "what": "pictures", "source": "https://x.org/p"},
        ],
    }
    assert (shown["option_by_option"], shown["records_to_probe_on"]) == (True, 30)


@pytest.mark.parametrize("name", published())
def test_every_task_can_be_described(name: str) -> None:
    task = published()[name]
    assert len(list(task_lines(task))) > 10
    json.dumps(task_as_dict(task))


def test_without_a_split_to_probe_on_there_is_nothing_to_test_on_either() -> None:
    last = list(task_lines(published()["naturalbench"]))[-1]
    assert last.split(maxsplit=1)[1] == "--data naturalbench:FOLDER@test"


def test_what_was_found_is_one_line_and_its_problems() -> None:
    found = CheckedSplit(
        "toy",
        "val",
        "test",
        Path("d"),
        records=4,
        answers={"yes": 3, "no": 1},
        bad=tuple(Problem(f"q.json:{i}", "broken") for i in range(25)),
        missing=(Problem("a/p/", "2 pictures missing: x, y"),),
        published=7,
    )
    head, *rest = checked_lines(found)
    assert head == (
        "toy:d@val: 4 records (7 published); yes 75.0%, no 25.0%; always the most frequent: 75.0%"
    )
    assert rest[:2] == ["  a/p/: 2 pictures missing: x, y", "  q.json:0: broken"]
    assert rest[-1] == "  … and 5 more"
    shown = checked_as_dict(found)
    assert json.loads(json.dumps(shown)) == shown
    assert len(shown["bad_rows"]) == 25
    assert shown["majority_accuracy"] == 0.75
    assert not shown["complete"]


def test_a_count_that_agrees_is_said() -> None:
    found = CheckedSplit("toy", "val", "test", Path("d"), records=7, published=7)
    assert list(checked_lines(found)) == ["toy:d@val: 7 records (as published)"]
    found = CheckedSplit("toy", "train", "probe", Path("d"), records=7)
    assert list(checked_lines(found)) == ["toy:d@train: 7 records"]


def test_missing_files_are_listed_with_where_they_come_from() -> None:
    found = CheckedSplit("toy", "val", "test", Path("d"), (QUESTIONS, PICTURES), published=7)
    assert list(checked_lines(found)) == [
        "toy:d@val: 2 files or folders are missing",
        "  a/b/q.json: questions, from https://x.org/q",
        "  a/p/: pictures, from https://x.org/p",
    ]
    assert checked_as_dict(found)["missing_files"] == ["a/b/q.json", "a/p/"]
    one = replace(found, absent=(PICTURES,))
    assert next(checked_lines(one)) == "toy:d@val: 1 file or folder is missing"
