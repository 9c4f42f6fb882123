from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import published_files as files
from superneurons.task.published.registry import published
from superneurons.task.read import read_records

Runner = Callable[..., Any]


def test_the_list_says_what_the_model_was_trained_on(run: Runner) -> None:
    tasks = {task["name"]: task for task in run("tasks", "list", "--json").json}
    assert tasks["presence"]["trained"]
    assert not tasks["bigger"]["trained"]
    assert "presence" in run("tasks", "list").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("tasks", "list"), 0),
        (("tasks", "show", "pope", "--json"), 0),
        (("tasks", "make", "presense", "--out", "new"), 2),
        (("tasks", "make", "dark", "--out", "."), 2),
    ],
)
def test_what_draws_nothing_does_without_torch(
    words: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    program = (
        "import sys; from superneurons.cli.app import main\n"
        f"sys.argv = ['superneurons', *{words!r}]\n"
        "try: main()\n"
        f"except SystemExit as end: assert end.code == {code}, end.code\n"
        "slow = {'torch', 'transformers', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ("mend:" in done.stderr) == bool(code)


def test_the_list_has_published_tasks_too(run: Runner) -> None:
    tasks = {task["name"]: task for task in run("tasks", "list", "--json").json}
    assert tasks["pope"]["published"]
    assert tasks["pope"]["splits"]["random"]["records"] == 2910
    assert set(published()) <= set(tasks)
    assert "POPE: train, random, popular, adversarial" in run("tasks", "list").out


def test_a_task_can_be_looked_at(run: Runner, tmp_path: Path) -> None:
    done = run("tasks", "make", "dark", "-n", 6, "-o", tmp_path / "dark")
    assert done.code == 0, done.err
    rows = [
        json.loads(row) for row in (tmp_path / "dark" / "records.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 6
    assert {row["label"] for row in rows} == {"no", "yes"}
    for row in rows:
        with Image.open(tmp_path / "dark" / row["image"]) as picture:
            assert picture.size == (128, 128)


def test_an_unknown_task_names_a_near_one(run: Runner, tmp_path: Path) -> None:
    done = run("tasks", "make", "presense", "-o", tmp_path / "x")
    assert done.code == 2
    assert "presence" in done.err


@pytest.mark.parametrize("name", published())
def test_show_says_what_to_download_and_where_to_put_it(run: Runner, name: str) -> None:
    task = published()[name]
    out = run("tasks", "show", name).out
    needs = {need for split in task.splits.values() for need in split.needs}
    for need in needs:
        assert need.path.rstrip("/").rsplit("/", 1)[-1] in out
        assert need.source in out
    for said in (task.question, *task.splits):
        assert said in out
    for note in task.notes:
        assert note in " ".join(out.split())
    assert f"{name}:FOLDER@" in out


def test_show_is_there_as_json(run: Runner) -> None:
    shown = run("tasks", "show", "pope", "--json").json
    assert shown["splits"]["random"]["files"][0]["path"] == "coco_pope_random.json"
    assert shown["records_to_probe_on"] == 3000
    done = run("tasks", "show", "popee")
    assert done.code == 2
    assert "Did you mean 'pope'?" in done.err


def test_show_knows_the_embedded_tasks_too(run: Runner) -> None:
    assert "Is the picture too dark?" in run("tasks", "show", "dark").out
    assert run("tasks", "show", "dark", "--json").json["trained"] is False


def test_check_lists_all_that_is_missing(run: Runner, tmp_path: Path) -> None:
    files.pope(tmp_path, [*files.POPE, 5])
    done = run("tasks", "check", tmp_path)
    assert done.code == 2
    assert f"pope:{tmp_path}@random: 4 records (2910 published)" in done.out
    assert "no 50.0%" in done.out
    assert "always the most frequent: 50.0%" in done.out
    assert "coco_pope_random.json:5: not a JSON object" in done.out
    for path in ("annotations/instances_train2014.json", "coco_pope_popular.json", "train2014/"):
        assert f"  {path}: " in done.out


def test_check_is_content_when_all_is_there(run: Runner, tmp_path: Path) -> None:
    files.naturalbench(tmp_path)
    done = run("tasks", "check", tmp_path, "--task", "naturalbench", "--json")
    assert done.code == 0, done.err
    (found,) = done.json
    assert found["complete"]
    assert found["answers"] == {"yes": 2, "no": 2}
    assert found["majority_accuracy"] == 0.5
    assert found["missing_files"] == []


def test_check_can_leave_bad_rows_out(run: Runner, tmp_path: Path) -> None:
    for year in ("val2017", "train2017"):
        files.instaorder(tmp_path, [*files.INSTAORDER, {}], year)
    words = ("tasks", "check", tmp_path, "-t", "instaorder-depth")
    assert run(*words).code == 2
    done = run(*words, "--skip-bad")
    assert done.code == 0
    assert "InstaOrder_val2017.json:3: 'image_id'" in done.out


def test_check_of_a_folder_without_tasks_says_so(run: Runner, tmp_path: Path) -> None:
    done = run("tasks", "check", tmp_path)
    assert done.code == 2
    assert "no file of any published task" in done.err


def test_converted_records_are_those_of_the_source(run: Runner, tmp_path: Path) -> None:
    root, out = files.pope(tmp_path / "pope"), tmp_path / "records.jsonl"
    done = run("tasks", "convert", "pope", root, "--split", "random", "--out", out)
    assert done.code == 0, done.err
    assert done.out.strip() == str(out)
    assert read_records(out) == read_records(f"pope:{root}@random")
    again = run("tasks", "convert", "pope", root, "--out", out)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert run("tasks", "convert", "pope", root, "--out", out, "--overwrite").code == 0


@pytest.mark.filterwarnings("always")
def test_convert_skips_bad_rows_only_when_asked(run: Runner, tmp_path: Path) -> None:
    root, out = files.clevr(tmp_path / "clevr", [*files.CLEVR, None]), tmp_path / "records.jsonl"
    done = run("tasks", "convert", "clevr", root, "-o", out)
    assert done.code == 2
    assert "CLEVR_val_questions.json:4: not a JSON object" in done.err
    assert not out.exists()
    done = run("tasks", "convert", "clevr", root, "-o", out, "--skip-bad")
    assert done.code == 0
    assert done.err.count("superneurons: warning: ") == 1
    assert "left out are 1 row that cannot be read" in done.err
    assert len(read_records(out)) == 3


def test_convert_draws_a_probing_set(run: Runner, tmp_path: Path) -> None:
    root, out = files.clevr(tmp_path / "clevr"), tmp_path / "records.jsonl"
    assert run("tasks", "convert", "clevr", root, "--split", "val", "-n", 2, "-o", out).code == 0
    assert sorted(str(r.label) for r in read_records(out)) == ["no", "yes"]


def test_every_command_that_reads_records_reads_published_tasks(
    run: Runner, tmp_path: Path, llava_path: Path
) -> None:
    rows = [
        files.VIZWIZ[i % 2] | {"image": f"{name}_{i:08}.jpg"}
        for name in ("train", "val")
        for i in range(12)
    ]
    for row in rows:
        name, number = row["image"].split("_")
        files.picture(tmp_path / name / row["image"], "black" if int(number[:8]) % 2 else "white")
    files.document(tmp_path / "train.json", rows[:12])
    files.document(tmp_path / "val.json", rows[12:])
    clf, source = tmp_path / "clf", f"vizwiz:{tmp_path}"
    words = ("--model", llava_path, "--data", f"{source}@probe?n=8", "--out", clf)
    done = run("fit", *words, "--device", "cpu", "--no-report")
    assert done.code == 0, done.err
    done = run("predict", clf, "--data", f"{source}@val", "--device", "cpu")
    assert done.code == 0, done.err
    assert [line["id"] for line in done.lines] == [f"val.json:{i}" for i in range(1, 13)]
    done = run("predict", clf, "--data", f"{source}@vall")
    assert done.code == 2
    assert "Did you mean 'val" in done.err


@pytest.mark.parametrize(("words", "said"), [
    (("show", "darkk"), "Did you mean 'dark'?"),
    (("show", "blink"), "'blink-art-style' or 'blink-counting'"),
    (("show", "zzz"), "`superneurons tasks list` has them all"),
    (("check", ".", "-t", "dark"), "`superneurons tasks make dark --out FOLDER`"),
    (("convert", "dark", ".", "-o", "a.jsonl"), "`superneurons tasks make dark --out FOLDER`"),
    (("make", "pope", "-o", "pope"), "`superneurons tasks show pope`"),
])  # fmt: skip
def test_a_name_that_doesn_t_fit_is_answered_with_what_does(
    run: Runner, words: tuple[str, ...], said: str
) -> None:
    done = run("tasks", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 2


def test_a_taken_place_is_said_before_anything_is_read_or_drawn(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.jsonl").write_text("")
    done = run("tasks", "convert", "pope", tmp_path / "gone", "-o", tmp_path / "there.jsonl")
    assert "The file is there already" in done.err
    monkeypatch.setattr("superneurons.demo.tasks.make_task", None)
    assert "folder is taken" in run("tasks", "make", "dark", "-o", tmp_path).err


def test_converted_records_go_where_the_home_directory_is(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = files.pope(tmp_path / "pope")
    monkeypatch.setenv("HOME", str(tmp_path))
    done = run("tasks", "convert", "pope", root, "--out=~/records.jsonl")
    assert done.code == 0, done.err
    assert len(read_records(tmp_path / "records.jsonl")) == len(files.POPE)
