"""A log of answers."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from serve.asking import asking, picture, systemone
from serve.engines import BRIGHT, CHOICES, ShadeEngine
from superneurons.errors import DataError, OutputError
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.log import AnswerLog, LogSettings, check_log
from superneurons.task.images import open_image
from superneurons.task.read import read_records

FITTED = {one.name: one for one in (BRIGHT, CHOICES)}
YES = Answer("yes", {"no": 0.25, "yes": 0.75}, 0.75, "exit", 2)


def job(level: int = 100, **more: Any) -> Job:
    picture = Image.new("RGB", (6, 4), (level, level, level))
    return Job((picture,), **{"classifier": "bright", **more})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "answers.jsonl"


def test_an_answer_is_a_line(path: Path) -> None:
    log = AnswerLog(path, FITTED)
    log("one", job(), YES)
    log("two", job(classifier="choices", question="Größer?", options=("a", "b")), YES)
    assert log.close()
    first, second = lines(path)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "id": "one", "classifier": "bright", "question": "Is it bright?", "answer": "yes",
        "confidence": 0.75, "probabilities": {"no": 0.25, "yes": 0.75}, "depth": "exit",
        "layers": 2,
    }  # fmt: skip
    assert (second["question"], second["options"]) == ("Größer?", ["a", "b"])
    assert log.metrics() == {
        "written": 2, "left_out": 0, "failed": 0, "pictures_left_out": 0, "waiting": 0,
    }  # fmt: skip


def test_no_picture_is_kept_unless_that_is_asked_for(path: Path) -> None:
    log = AnswerLog(path, FITTED)
    log("one", job(), YES)
    log.close()
    assert list(path.parent.iterdir()) == [path]
    assert not {"image", "images"} & lines(path)[0].keys()


def test_with_pictures_its_lines_are_records_to_label(path: Path) -> None:
    log = AnswerLog(path, FITTED, LogSettings(pictures=True))
    for level in (10, 200, 10):
        log("id", job(level), YES)
    two = (Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "white"))
    log("both", Job(two, "bright"), YES)
    log.close()
    records = read_records(path, require_labels=False)
    assert [record.label for record in records] == [None] * 4, "an answer is no label"
    assert records[0].question == "Is it bright?"
    shown = [open_image(record.images[0]).getpixel((0, 0)) for record in records[:3]]
    assert shown == [(10,) * 3, (200,) * 3, (10,) * 3]
    assert records[0].images == records[2].images, "the same picture is kept once"
    assert len(records[3].images) == 2
    assert len(list(path.with_name("answers-pictures").iterdir())) == 4
    with pytest.raises(DataError):
        read_records(path)
    relabelled = path.with_name("relabelled.jsonl")
    rows = [row | {"label": row["answer"]} for row in lines(path)]
    relabelled.write_text("\n".join(map(json.dumps, rows)))
    assert [record.label for record in read_records(relabelled)] == ["yes"] * 4


def test_only_its_owner_may_read_it(path: Path) -> None:
    AnswerLog(path, FITTED, LogSettings(pictures=True)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("answers-pictures").stat().st_mode) == 0o700


def test_a_log_is_gone_on_with(path: Path) -> None:
    for name in ("one", "two"):
        log = AnswerLog(path, FITTED)
        log(name, job(), YES)
        log.close()
    assert [line["id"] for line in lines(path)] == ["one", "two"]


@pytest.mark.parametrize("files", [0, 2])
def test_a_full_file_makes_way_and_the_oldest_go(path: Path, files: int) -> None:
    log = AnswerLog(path, FITTED, LogSettings(max_bytes=1000, files=files))
    for number in range(40):
        log(str(number), job(), YES)
    assert log.close()
    assert log.metrics()["written"] == 40
    kept = [path.with_name(f"answers.{n}.jsonl") for n in range(files, 0, -1)] + [path]
    assert sorted(path.parent.iterdir()) == sorted(kept)
    assert all(one.stat().st_size <= 1000 for one in kept)
    ids = [int(line["id"]) for one in kept for line in lines(one)]
    assert ids == list(range(40 - len(ids), 40))


class SlowDisk:
    """Holds the writing thread up until it is let go."""

    def __init__(self, log: AnswerLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, write = threading.Event(), log._write

        def held(line: Any) -> None:
            self.go.wait(10)
            write(line)

        monkeypatch.setattr(log, "_write", held)


def test_answering_never_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AnswerLog(path, FITTED, LogSettings(waiting=10))
    disk = SlowDisk(log, monkeypatch)
    begun = time.monotonic()
    for number in range(500):
        log(str(number), job(), YES)
    assert time.monotonic() - begun < 2
    assert not log.close(timeout=0.05)
    disk.go.set()
    assert log.close()
    found = log.metrics()
    assert found["written"] + found["left_out"] == 500
    assert found["written"] == len(lines(path)) in (10, 11)


def test_waiting_pictures_are_bounded_by_their_bytes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AnswerLog(path, FITTED, LogSettings(pictures=True, waiting_bytes=3 * 72))
    disk = SlowDisk(log, monkeypatch)
    for number in range(50):
        log(str(number), job(number), YES)
    disk.go.set()
    log.close()
    assert log.metrics()["written"] in (3, 4)
    assert log.metrics()["left_out"] == 50 - log.metrics()["written"]


def test_a_full_disk_ends_neither_the_log_nor_the_service(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = AnswerLog(path, FITTED)
    write: Callable[[Any], None] = log._write
    left = iter([OSError(28, "No space left on device")] * 2)

    def full(line: Any) -> None:
        error = next(left, None)
        if error is not None:
            raise error
        write(line)

    monkeypatch.setattr(log, "_write", full)
    for number in range(4):
        log(str(number), job(), YES)
    assert log.close()
    assert [line["id"] for line in lines(path)] == ["2", "3"]
    assert (log.metrics()["failed"], log.metrics()["written"]) == (2, 2)
    assert len([r for r in caplog.records if "could not be logged" in r.message]) == 1


def test_enough_pictures_are_enough(path: Path) -> None:
    settings = LogSettings(pictures=True, max_picture_bytes=1)
    for name, level in (("first", 10), ("second", 20), ("again", 10)):
        log = AnswerLog(path, FITTED, settings)
        log(name, job(level), YES)
        log.close()
        left_out = log.metrics()["pictures_left_out"]
        assert left_out == (1 if name == "second" else 0)
    assert ["image" in line for line in lines(path)] == [True, False, True]


def test_after_its_end_nothing_is_written(path: Path) -> None:
    log = AnswerLog(path, FITTED)
    log.close()
    log("late", job(), YES)
    assert log.metrics()["left_out"] == 1
    assert lines(path) == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="log cannot be written"):
        AnswerLog(tmp_path / "file" / "x.jsonl", FITTED)


def test_a_place_is_tried_without_leaving_or_losing_anything(path: Path) -> None:
    check_log(path, pictures=True)
    assert [one.name for one in path.parent.iterdir()] == ["answers-pictures"]
    path.write_text("kept\n")
    check_log(path)
    assert path.read_text() == "kept\n"


@pytest.mark.parametrize("place", ["file/x.jsonl", "folder", "taken.jsonl"])
def test_what_no_log_can_be_written_to_is_known_beforehand(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken-pictures").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="log cannot be written") as caught:
        check_log(tmp_path / place, pictures=True)
    assert caught.value.where == str(tmp_path / place)


def test_names_that_are_no_text_do_not_end_it(path: Path) -> None:
    log = AnswerLog(path, FITTED)
    log("odd", job(classifier="choices", question="\ud800?"), YES)
    log("even", job(), YES)
    log.close()
    assert log.metrics()["written"] == 2
    assert [line["id"] for line in lines(path)] == ["odd", "even"]


def test_a_service_logs_what_it_answers(path: Path) -> None:
    engine = ShadeEngine()
    log = AnswerLog(path, engine.classifiers, LogSettings(pictures=True))
    with asking(engine, observers=[log], sources={"log": log.metrics}) as client:
        named = {"X-Request-Id": "mine"}
        client.post("/v1/systemone", json=systemone(picture(230)), headers=named)
        client.post("/v1/systemone", json={})
        log.close()
        assert "superneurons_log_written 1.0" in client.get("/metrics").text
    (line,) = lines(path)
    assert (line["id"], line["answer"]) == ("mine", "yes")
    assert open_image(path.parent / line["image"]).getpixel((0, 0)) == (230, 230, 230)


def test_a_picture_that_could_not_be_written_whole_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Image.Image.save
    left = iter([True])

    def full(self: Image.Image, to: Path, kind: str) -> None:
        if next(left, False):
            to.write_bytes(b"\x89PNG")
            raise OSError(28, "No space left on device")
        whole(self, to, kind)

    monkeypatch.setattr(Image.Image, "save", full)
    log = AnswerLog(path, FITTED, LogSettings(pictures=True))
    log("one", job(), YES)
    log("two", job(), YES)
    log.close()
    (line,) = lines(path)
    assert (line["id"], log.metrics()["failed"]) == ("two", 1)
    assert [kept.name for kept in (path.parent / "answers-pictures").iterdir()] == [
        Path(line["image"]).name
    ]
