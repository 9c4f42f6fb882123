"""Listen to how models are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def prompts_asked(monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """The prompts of all that is encoded from now on."""
    asked: list[Prompt] = []
    encode = VLM.encode

    def listening(
        vlm: VLM, records: Sequence[Record], prompt: Prompt | None = None, **options: Any
    ) -> Any:
        asked.append(prompt or Prompt())
        return encode(vlm, records, prompt, **options)

    monkeypatch.setattr(VLM, "encode", listening)
    return asked
