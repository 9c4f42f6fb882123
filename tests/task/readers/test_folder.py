from __future__ import annotations

from pathlib import Path

from superneurons.errors import Problem
from superneurons.task.readers.folder import FORMAT
from superneurons.task.rows import Row


def make(base: Path, *names: str) -> Path:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return base


def test_the_folder_names_the_class(tmp_path: Path) -> None:
    base = make(tmp_path / "pets", "dog/b.JPG", "cat/deep/a.png", "cat/notes.txt", "cat/2.webp")
    rows = [(row.where, row.values) for row in FORMAT.rows(base) if isinstance(row, Row)]
    assert rows == [
        ("pets/cat/2.webp", {"image": "cat/2.webp", "label": "cat"}),
        ("pets/cat/deep/a.png", {"image": "cat/deep/a.png", "label": "cat"}),
        ("pets/dog/b.JPG", {"image": "dog/b.JPG", "label": "dog"}),
    ]


def test_what_systems_leave_behind_is_skipped(tmp_path: Path) -> None:
    base = make(tmp_path, "cat/a.png", "cat/._a.png", ".git/x.png", "__MACOSX/a.png", ".DS_Store")
    make(base, "cat/.ipynb_checkpoints/a.png", "README.md")
    assert [row.values["image"] for row in FORMAT.rows(base)] == ["cat/a.png"]


def test_pictures_outside_a_class_have_no_label(tmp_path: Path) -> None:
    assert [row.values for row in FORMAT.rows(make(tmp_path, "a.png"))] == [
        {"image": "a.png", "label": None}
    ]


def test_a_class_without_pictures_is_a_problem(tmp_path: Path) -> None:
    base = make(tmp_path / "pets", "cat/a.png", "dog/notes.txt")
    problems = [row for row in FORMAT.rows(base) if isinstance(row, Problem)]
    assert [str(problem) for problem in problems] == ["pets/dog: no picture in this class folder"]


def test_a_data_file_in_the_folder_is_pointed_out(tmp_path: Path) -> None:
    base = make(tmp_path / "task", "images/1.png", "records.jsonl")
    problems = [row for row in FORMAT.rows(base) if isinstance(row, Problem)]
    assert [str(problem) for problem in problems] == [
        "task/records.jsonl: give this file itself, or move it away"
    ]
