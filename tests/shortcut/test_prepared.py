from __future__ import annotations

from typing import Any

import pytest
import torch

from pictures import bright_records
from superneurons.errors import ResourceError
from superneurons.shortcut.prepared import prepared
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def test_what_is_asked_is_what_is_encoded(vlm: VLM) -> None:
    records, asked = bright_records(1), bright_records(2, seed=1)
    batch = prepared(vlm, Prompt("question-first"), records, asked)
    expected = vlm.encode(asked, Prompt("question-first"))
    assert (batch.records, batch.asked) == (records, asked)
    assert torch.equal(batch.inputs.tensors["input_ids"], expected.tensors["input_ids"])
    assert batch.seconds > 0


def test_too_little_memory_is_said_with_the_batch(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(VLM, "encode", full)
    with pytest.raises(ResourceError, match="batch of 2 records"):
        prepared(vlm, Prompt(), bright_records(2), bright_records(2))
