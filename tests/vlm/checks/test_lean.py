from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from superneurons.vlm.checks.lean import lean_pass
from superneurons.vlm.checks.own_pass import made_up_records
from superneurons.vlm.lean.decoder import DecoderLayer
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM
from superneurons.vlm.taps import KINDS


def checked(vlm: VLM) -> Any:
    inputs = vlm.encode(made_up_records())
    lean = lean_of(vlm)
    assert isinstance(lean, Lean)
    return lean_pass(vlm, lean, inputs, vlm.last_states(inputs, KINDS))


def test_it_is_compared_at_the_first_a_middle_and_the_last_layer(vlm: VLM) -> None:
    found = checked(vlm)
    assert found.passed
    assert found.detail.endswith("of 1, 2, 4)")


def test_a_last_layer_that_differs_fails(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    read_last = DecoderLayer.read_last

    def rough(self: DecoderLayer, *given: Any) -> Any:
        passed, pending = read_last(self, *given)
        return replace(passed, mlp=passed.mlp * 1.01), pending

    monkeypatch.setattr(DecoderLayer, "read_last", rough)
    found = checked(vlm)
    assert not found.passed
    assert float(found.detail.split()[1]) > 1e-3
