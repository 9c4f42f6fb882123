from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from superneurons.cli.data import task_or_data
from superneurons.errors import DataError


def both(data: Path | None, test: Path | None, task: str | None = None) -> Any:
    given = [None if path is None else str(path) for path in (data, test)]
    return task_or_data(*given, task, None, 8, 8, "seen", 0)  # type: ignore[arg-type]


def test_records_are_read_from_one_file_or_two(train: Path, test_file: Path) -> None:
    probe, test = both(train, None)
    assert (len(probe), test) == (24, None)
    probe, test = both(train, test_file)
    assert (len(probe), len(test)) == (24, 12)


def test_where_one_cannot_be_read_it_is_said_as_ever(train: Path, tmp_path: Path) -> None:
    for given in ((train, tmp_path / "none.jsonl"), (tmp_path / "none.jsonl", train)):
        with pytest.raises(DataError, match="no such file") as caught:
            both(*given)
        assert caught.value.where == str(tmp_path / "none.jsonl")


def test_what_is_wrong_with_both_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"image": 1}\n[]\n')
    with pytest.raises(DataError, match="Neither --data nor --test") as caught:
        both(tmp_path / "bad.jsonl", tmp_path / "none.jsonl")
    first, *others = caught.value.problems
    assert (first.where, "no such file" in first.what) == (str(tmp_path / "none.jsonl"), True)
    assert {problem.where for problem in others} == {"bad.jsonl:1", "bad.jsonl:2"}
    assert caught.value.mend


@pytest.mark.parametrize(("data", "task"), [(None, None), (Path("x.jsonl"), "dark")])
def test_one_of_task_and_data_is_named(data: Path | None, task: str | None) -> None:
    with pytest.raises(DataError, match=r"records were named|Both --task and --data"):
        both(data, None, task)


def test_a_task_has_its_own_test_records() -> None:
    with pytest.raises(DataError, match="--test goes with --data"):
        both(None, Path("x.jsonl"), "dark")
