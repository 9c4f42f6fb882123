"""What the studies of this folder have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from superneurons.task.record import Record
from superneurons.vlm.model import VLM


@pytest.fixture
def questions_run(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Every record that the model is asked from now on, as often as it is."""
    asked: list[Record] = []
    encode = VLM.encode

    def listening(vlm: VLM, records: Sequence[Record], *words: Any, **options: Any) -> Any:
        asked.extend(records)
        return encode(vlm, records, *words, **options)

    monkeypatch.setattr(VLM, "encode", listening)
    return asked


@pytest.fixture(scope="session")
def turned() -> Callable[[Sequence[Record]], list[Record]]:
    """The same records with "yes" for "no"."""

    def turn(records: Sequence[Record]) -> list[Record]:
        other = {"yes": "no", "no": "yes"}
        return [replace(record, label=other[str(record.label)]) for record in records]

    return turn
