from __future__ import annotations

import json
from pathlib import Path

import pytest

from pictures import bright_records
from superneurons.errors import DataError
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.evaluate.reproduction.sources import records_of


def write(directory: Path, n: int, seed: int) -> str:
    directory.mkdir()
    lines = []
    for number, record in enumerate(bright_records(n, seed)):
        record.images[0].save(directory / f"{number}.png")  # type: ignore[union-attr]
        lines.append(json.dumps({"image": f"{number}.png", "label": record.label}))
    (directory / "records.jsonl").write_text("\n".join(lines))
    return str(directory / "records.jsonl")


def test_data_are_read_with_their_question(tmp_path: Path) -> None:
    data, test = write(tmp_path / "a", 4, 0), write(tmp_path / "b", 2, 1)
    settings = Settings("anything", data=data, test=test, question="Is it bright?")
    probe, others = records_of(settings)
    assert [len(probe), len(others)] == [4, 2]
    assert {record.question for record in (*probe, *others)} == {"Is it bright?"}


def test_an_embedded_task_brings_both_parts() -> None:
    probe, others = records_of(Settings("dark", n_probe=8, n_test=4))
    assert [len(probe), len(others)] == [8, 4]
    assert not {r.group for r in probe} & {r.group for r in others}


def test_the_seed_makes_other_records() -> None:
    first, second = (records_of(Settings("dark", n_probe=8, n_test=4, seed=s))[0] for s in (0, 1))
    assert first[0].images[0].tobytes() != second[0].images[0].tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("task", ["pope", "AOKVQA", "eurosat"])
def test_a_published_task_says_that_its_pictures_are_elsewhere(task: str) -> None:
    with pytest.raises(DataError, match="don't come with this package") as refused:
        records_of(Settings(task))
    assert f"--data {task}:DIR@train" in str(refused.value)


@pytest.mark.parametrize(("wrong", "near"), [("drak", "dark"), ("pop", "pope"), ("quux", None)])
def test_an_unknown_task_is_refused_with_the_nearest_of_all(wrong: str, near: str | None) -> None:
    with pytest.raises(DataError, match=f"no task {wrong!r}") as refused:
        records_of(Settings(wrong))
    assert ("Did you mean" in str(refused.value)) == (near is not None)
    assert near is None or f"Did you mean {near!r}?" in str(refused.value)
