from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.demo.questions import KINDS
from superneurons.demo.tasks import TASKS, make_task
from superneurons.errors import DataError
from superneurons.evaluate.robustness.rewording import reworded
from superneurons.evaluate.robustness.task_wordings import task_wordings
from superneurons.task.record import Record

ASKED = {"x": "scissors", "y": "dog", "n": "three"}


@pytest.mark.parametrize("name", TASKS)
def test_every_wording_can_be_filled_from_the_tasks_own_questions(name: str) -> None:
    own, others = task_wordings(name)
    kind = KINDS.get(TASKS[name].kind)
    things = {**ASKED, "x": "animal"} if kind and kind.name == "group" else ASKED
    question = kind.ask(**things) if kind else "Is it red?"
    records = [Record((Path("a.png"),), question)]
    assert reworded(records, own, own=own) == records
    asked = [reworded(records, text, own=own)[0].question for text in others]
    assert len({question, *asked}) == len(others) + 1
    assert all("{" not in text and text.strip() == text for text in asked)


@pytest.mark.parametrize("name", TASKS)
def test_one_wording_has_a_nonsense_word(name: str) -> None:
    assert sum("{word}" in text for text in task_wordings(name)[1]) == 1


@pytest.mark.parametrize("name", ["presence", "hides", "dark", "exactly"])
def test_a_yes_is_asked_for_in_other_words_too(name: str) -> None:
    own, others = task_wordings(name)
    plain = own.removesuffix(" Answer yes or no.")
    assert plain != own
    assert plain in others
    assert f"{plain} Reply with a single word, yes or no." in others


def test_records_of_a_task_are_worded_so() -> None:
    records = make_task("hides", n=4)
    own, others = task_wordings("hides")
    hiding = reworded(records, others[0], own=own)
    assert [record.question for record in hiding] == [
        record.question.replace("obstructing", "hiding") for record in records
    ]
    assert hiding != records


def test_trained_wordings_come_from_training() -> None:
    _, others = task_wordings("left")
    assert KINDS["left"].wordings[1] + " Answer yes or no." == others[0]


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(DataError, match="no embedded task 'dork'"):
        task_wordings("dork")
