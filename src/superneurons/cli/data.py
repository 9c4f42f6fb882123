"""Records from what the user named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from superneurons.task.record import Record

__all__ = ["read"]


def read(data: str, question: str | None, *, require_labels: bool = True) -> list[Record]:
    """Read records from a path, or JSONL from standard input for ``-``."""
    from superneurons.task.read import read_records

    source = sys.stdin if data == "-" else data
    return read_records(source, question=question, require_labels=require_labels)
