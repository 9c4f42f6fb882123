from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pictures import bright_records
from scale.tables import (
    answers_in,
    shard_files,
    write_jsonl,
    write_parquet,
    write_shard,
)
from superneurons.errors import ArtefactError, DataError, MismatchError
from superneurons.scale.answering import Answered, BlockWork, answer_data
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.read import read_records

RECORDS = bright_records(22, seed=1)
OPENING: dict[str, Any] = {"batch_size": 4, "device": "cpu"}


def answered(fitted: Path, data: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    answer_data(fitted, str(data), out, rows_per_block=8, opening=OPENING, **options)
    return answers_in(out)


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers without what no two runs share, or the place they were read from."""
    return [
        {k: v for k, v in row.items() if k not in ("latency_ms", "id")}
        | {"probabilities": dict(row["probabilities"] or {})}
        for row in rows
    ]


def test_blocks_answer_what_one_run_answers(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS)
    found = answered(fitted, data, tmp_path / "out")
    clf = SuperNeuronClassifier.from_pretrained(fitted, **OPENING)
    wanted = list(clf.answers(read_records(data, require_labels=False)))
    assert [row["id"] for row in found] == [answer.id for answer in wanted]
    assert [row["label"] for row in found] == [answer.label for answer in wanted]
    assert [dict(row["probabilities"]) for row in found] == [a.probabilities for a in wanted]
    assert {row["exit_layer"] for row in found} == {clf.exit_layer_}
    assert {row["error"] for row in found} == {None}


def test_every_form_of_the_data_is_answered_alike(fitted: Path, tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "data", RECORDS)
    table = write_parquet(tmp_path / "x.parquet", RECORDS)
    (tmp_path / "shards").mkdir()
    for n in (0, 8, 16):
        write_shard(tmp_path / f"shards/{n:02}.tar", shard_files(RECORDS[n : n + 8]))
    wanted = plain(answered(fitted, lines, tmp_path / "a"))
    assert plain(answered(fitted, table, tmp_path / "b")) == wanted
    assert plain(answered(fitted, tmp_path / "shards", tmp_path / "c")) == wanted
    lines.unlink()
    pictures = answered(fitted, tmp_path / "data", tmp_path / "d")
    assert plain(pictures) == wanted
    assert pictures[3]["id"] == "data/003.png"


def test_a_stopped_run_goes_on_with_what_is_missing(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS)
    whole = answered(fitted, data, tmp_path / "whole")
    calls: list[int] = []
    work = BlockWork.__call__

    def counted(self: BlockWork, task: Any, dies: bool) -> dict[str, int]:
        if dies and len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(task[0])
        return work(self, task)

    with (
        patch.object(BlockWork, "__call__", lambda self, task: counted(self, task, True)),
        pytest.raises(KeyboardInterrupt),
    ):
        answered(fitted, data, tmp_path / "cut")
    kept = (tmp_path / "cut" / "block-00000.parquet").read_bytes()
    told: list[tuple[int, int]] = []
    with patch.object(BlockWork, "__call__", lambda self, task: counted(self, task, False)):
        done = answer_data(
            fitted, str(data), tmp_path / "cut", rows_per_block=8, opening=OPENING,
            progress=lambda done, total: told.append((done, total)),
        )  # fmt: skip
    assert calls == [0, 1, 2]
    assert told == [(2, 3), (3, 3)]
    assert asdict(done) == {"blocks": 3, "kept": 1, "rows": 14, "errors": 0}
    assert (tmp_path / "cut" / "block-00000.parquet").read_bytes() == kept
    found = answers_in(tmp_path / "cut")
    assert plain(found) == plain(whole)
    assert [row["id"] for row in found] == [row["id"] for row in whole]


def test_nothing_is_opened_where_all_is_done(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS[:4])
    answered(fitted, data, tmp_path / "out")
    with patch.object(BlockWork, "__init__", side_effect=AssertionError):
        again = answer_data(fitted, str(data), tmp_path / "out", rows_per_block=8, opening=OPENING)
    assert again == Answered(1, 1, 0, 0)


def test_bad_rows_are_said_in_their_place(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS[:6])
    lines = data.read_text().splitlines()
    lines[1], lines[4] = "{", json.dumps({"image": "gone.png", "question": "?", "id": "own"})
    data.write_text("\n".join(lines))
    (tmp_path / "data" / "003.png").write_bytes(b"broken")
    found = answered(fitted, data, tmp_path / "out")
    assert [row["id"] for row in found] == [
        *(f"records.jsonl:{n}" for n in (1, 2, 3, 4)), "own", "records.jsonl:6",
    ]  # fmt: skip
    assert [row["label"] is None for row in found] == [False, True, False, True, True, False]
    assert "not valid JSON" in found[1]["error"]
    assert "not a picture" in found[3]["error"]
    assert "gone.png" in found[4]["error"]


def test_a_shard_cut_short_gives_what_can_be_read(fitted: Path, tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "x.tar", shard_files(RECORDS[:4]))
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 3])
    found = answered(fitted, shard, tmp_path / "out")
    assert found[0]["label"] in ("yes", "no")
    assert "cannot be read" in found[-1]["error"]


def test_other_data_are_not_mixed_in(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS[:4])
    answered(fitted, data, tmp_path / "out")
    write_jsonl(tmp_path / "data", RECORDS[:5])
    with pytest.raises(MismatchError, match="block-00000"):
        answered(fitted, data, tmp_path / "out")
    assert len(answers_in(tmp_path / "out")) == 4


def test_blocks_are_whole_batches(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS)
    done = answer_data(fitted, str(data), tmp_path / "out", rows_per_block=5, opening=OPENING)
    assert done.blocks == 3


def test_no_classifier_or_no_data_leave_nothing_behind(fitted: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "data", RECORDS[:4])
    with pytest.raises(DataError):
        answer_data(fitted, str(tmp_path / "gone.jsonl"), tmp_path / "out")
    with pytest.raises(ArtefactError):
        answer_data(tmp_path / "data", str(data), tmp_path / "out")
    assert not (tmp_path / "out").exists()
