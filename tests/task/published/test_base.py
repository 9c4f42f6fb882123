from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import PurePosixPath

import pytest

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.registry import published


def test_what_is_needed_is_known_by_its_value() -> None:
    first = Needed("a/", "pictures", "https://x.org")
    assert {first, Needed("a/", "pictures", "https://x.org")} == {first}
    assert first.also == ()
    with pytest.raises(FrozenInstanceError):
        first.path = "b/"  # type: ignore[misc]


def test_a_task_is_asked_as_it_is_unless_said_otherwise() -> None:
    split = Split((Needed("q.json", "questions", "https://x.org"),), lambda _: [], "test")
    task = Published("toy", "Toy", "Is it?", ("yes", "no"), {"val": split}, "arXiv:0", "none")
    assert (task.n_probe, task.unrolled, task.template, task.notes) == (None, False, None, ())
    assert split.count is None


TASKS = published()
SPLITS = [
    pytest.param(task, split, id=f"{task.name}@{name}")
    for task in TASKS.values()
    for name, split in task.splits.items()
]


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_every_place_of_a_need_is_below_the_directory_and_of_its_kind(
    task: Published, split: Split
) -> None:
    """A folder is looked for as a folder everywhere, a file as a file; no place twice."""
    assert split.needs
    for needed in split.needs:
        places = (needed.path, *needed.also)
        assert len(set(places)) == len(places)
        assert len({place.endswith("/") for place in places if place}) == 1
        for place in places:
            path = PurePosixPath(place)
            assert not path.is_absolute()
            assert ".." not in path.parts
        assert needed.what
        assert needed.source.startswith("http")
    own = [needed.path for needed in split.needs]
    assert len(set(own)) == len(own)
    assert split.count is None or split.count > 1


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_can_be_scored_and_is_said_in_full(task: Published) -> None:
    assert any(split.role in {"test", "all"} for split in task.splits.values())
    assert len(set(task.answers)) == len(task.answers)
    assert all((task.title, task.paper, task.licence, task.question.strip()))
    assert task.n_probe is None or task.n_probe >= 2
    assert task.template is None or "{option}" in task.template
    assert all(note.strip().endswith((".", "”.")) for note in task.notes)
