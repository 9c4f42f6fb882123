"""The same records in every form that is read in blocks."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from superneurons.scale.blocks import rows_of
from superneurons.scale.sources import blocks_of
from superneurons.task.record import Record
from superneurons.task.rows import RowOrProblem


def png(record: Record) -> bytes:
    buffer = io.BytesIO()
    record.images[0].save(buffer, "PNG")  # type: ignore[union-attr]
    return buffer.getvalue()


def write_jsonl(folder: Path, records: list[Record]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n, record in enumerate(records):
        (folder / f"{n:03}.png").write_bytes(png(record))
        lines.append(json.dumps({"image": f"{n:03}.png", "question": record.question}))
    path = folder / "records.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_parquet(path: Path, records: list[Record], rows_per_group: int = 5) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"image": {"bytes": png(r), "path": None}, "question": r.question, "id": r.id}
        for r in records
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=rows_per_group)
    return path


def write_shard(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as shard:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            shard.addfile(info, io.BytesIO(content))
    return path


def shard_files(records: list[Record]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for n, record in enumerate(records):
        files[f"{n:03}.png"] = png(record)
        files[f"{n:03}.json"] = json.dumps({"question": record.question}).encode()
    return files


def all_rows(data: Path, size: int) -> list[RowOrProblem]:
    return [row for block in blocks_of(data, size) for row in rows_of(block)]


def answers_in(directory: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    parts = sorted(directory.glob("block-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]
