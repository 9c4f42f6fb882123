from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from superneurons.task.published.base import Needed, Published, Split


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
