from __future__ import annotations

from pathlib import Path

import pytest

import published_files as files
from superneurons.errors import DataError
from superneurons.task.published.check import CheckedSplit, check_tasks


def by_split(found: list[CheckedSplit]) -> dict[str, CheckedSplit]:
    return {f"{one.task}@{one.split}": one for one in found}


def test_what_is_there_is_read_and_what_is_not_is_listed(tmp_path: Path) -> None:
    found = by_split(check_tasks(files.clevr(tmp_path)))
    assert list(found) == ["clevr@train", "clevr@val"]
    val, train = found["clevr@val"], found["clevr@train"]
    assert val.complete
    assert val.answers == {"no": 2, "yes": 1}
    assert val.majority == pytest.approx(2 / 3)
    assert not train.complete
    assert [n.path for n in train.absent] == [
        "questions/CLEVR_train_questions.json",
        "images/train/",
    ]
    assert train.majority is None


def test_counts_stand_beside_the_published_ones(tmp_path: Path) -> None:
    random = by_split(check_tasks(files.pope(tmp_path)))["pope@random"]
    assert (random.records, random.published) == (4, 2910)
    assert random.complete


def test_every_problem_of_a_split_is_kept(tmp_path: Path) -> None:
    files.pope(tmp_path, [*files.POPE, 5, files.POPE[0] | {"image": "gone.jpg"}])
    random = by_split(check_tasks(tmp_path))["pope@random"]
    assert (random.usable, random.complete) == (True, False)
    assert [str(p) for p in random.bad] == [
        "coco_pope_random.json:5: not a JSON object; each line needs one: {…}"
    ]
    assert "gone.jpg" in random.missing[0].what


def test_a_file_that_is_broken_is_a_problem_of_its_split(tmp_path: Path) -> None:
    files.vizwiz(tmp_path)
    (tmp_path / "val.json").write_text("[")
    found = by_split(check_tasks(tmp_path, "vizwiz"))
    assert found["vizwiz@val"].bad[0].where == "val.json:1"
    assert not found["vizwiz@val"].usable
    assert found["vizwiz@train"].absent


def test_several_tasks_are_told_apart_in_one_folder_or_in_one_each(tmp_path: Path) -> None:
    files.pope(tmp_path / "pope")
    files.clevr(tmp_path / "clevr")
    files.vlguard(tmp_path)
    found = by_split(check_tasks(tmp_path))
    assert {one.task for one in found.values()} == {"pope", "clevr", "vlguard"}
    assert found["clevr@val"].directory == tmp_path / "clevr"
    assert found["vlguard@test"].directory == tmp_path
    assert found["clevr@val"].complete


def test_letters_stand_for_options_that_differ(tmp_path: Path) -> None:
    rows = [
        {
            "image_id": i,
            "question_id": f"q{i}",
            "question": "What?",
            "choices": [f"a{i}", f"b{i}"],
            "correct_choice_idx": min(i, 1),
        }
        for i in range(3)
    ]
    files.document(tmp_path / "aokvqa_v1p0_val.json", rows)
    for i in range(3):
        files.picture(tmp_path / f"val2017/{i:012}.jpg")
    val = by_split(check_tasks(tmp_path, "aokvqa"))["aokvqa@val"]
    assert val.answers == {"B": 2, "A": 1}


def test_a_folder_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file of any published task"):
        check_tasks(tmp_path)
    with pytest.raises(DataError, match="There is no such folder"):
        check_tasks(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"This is a file\.(.|\n)*Give the folder"):
        check_tasks(tmp_path / "file")
    assert all(one.absent for one in check_tasks(tmp_path, "pope"))
