from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pictures import bright_records
from superneurons.scale.probe_engines import probe
from superneurons.task.record import Record


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    found = []
    for n, record in enumerate(bright_records(20, seed=3)):
        record.images[0].save(tmp_path / f"{n}.png")  # type: ignore[union-attr]
        found.append(replace(record, images=(Path(f"{n}.png"),)))
    return found


def params(llava_path: Path) -> dict[str, Any]:
    return {"model": str(llava_path), "batch_size": 2, "device": "cpu", "max_layer": 1}


def test_a_rank_of_one_by_environment_is_this_process(
    llava_path: Path, records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where pictures are named from
    alone = probe(params(llava_path), records, Path("alone"))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    told: list[tuple[int, int]] = []
    found = probe(
        params(llava_path), records, Path("store"), engine="ranks",
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(1, 2), (2, 2)]
    assert found.counts is not None
    assert alone.counts is not None
    assert (found.counts.scores() == alone.counts.scores()).all()
    for name in ("plan.json", "shard-00000.safetensors", "shard-00001.safetensors"):
        assert (tmp_path / "store" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
