from __future__ import annotations

import copy
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from superneurons.vlm.lean import opening
from superneurons.vlm.lean.opening import lean_of, why_not_lean
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM


def copied(vlm: VLM) -> VLM:
    return replace(vlm, model=copy.deepcopy(vlm.model))


def test_known_families_have_one_pass_for_each_model(vlm: VLM) -> None:
    lean = lean_of(vlm)
    assert lean is not None
    assert why_not_lean(vlm) == ""
    assert lean_of(vlm) is lean
    assert len(lean.layers) == vlm.n_layers
    cut = lean_of(vlm.truncated(2))
    assert cut is not None
    assert len(cut.layers) == 2
    assert cut.layers[0].down.weight.data_ptr() == lean.layers[0].down.weight.data_ptr()


def test_a_family_that_nobody_wrote_a_pass_for_says_so(vlm: VLM) -> None:
    unknown = replace(copied(vlm), family=replace(vlm.family, lean_tower=None))
    assert lean_of(unknown) is None
    assert why_not_lean(unknown) == f"no lean pass is written for the family {vlm.family.name}"


def _adapter(vlm: VLM) -> None:
    vlm.layers[1].mlp.up_proj = nn.Sequential(vlm.layers[1].mlp.up_proj)  # type: ignore[union-attr]


def _other_layer(vlm: VLM) -> None:
    vlm.layers[2] = nn.Linear(2, 2)


def _offloaded(vlm: VLM) -> None:
    vlm.layers[3].to("meta")


def _missing_part(vlm: VLM) -> None:
    del vlm.layers[0].self_attn.o_proj  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_adapter, "Sequential where a plain linear layer was expected"),
        (_other_layer, "decoder layers of type Linear"),
        (_offloaded, "offloaded"),
        (_missing_part, "o_proj"),
    ],
)
def test_a_model_with_an_unknown_part_names_it(vlm: VLM, change: Any, why: str) -> None:
    other = copied(vlm)
    change(other)
    assert lean_of(other) is None
    assert why in why_not_lean(other)
    assert lean_of(vlm) is not None


def test_positions_that_depend_on_the_length_are_unknown(vlm: VLM) -> None:
    other = copied(vlm)
    other.model.model.language_model.rotary_emb.rope_type = "dynamic"  # type: ignore[union-attr]
    assert "'dynamic'" in why_not_lean(other)


def test_threads_that_ask_at_once_get_the_same(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make, ready, fresh = opening._made, threading.Barrier(4), copied(vlm)
    monkeypatch.setattr(opening, "_made", lambda one: made.append(one) or make(one))

    def ask(_: int) -> Lean | None:
        ready.wait(timeout=30)
        return lean_of(fresh)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert len(made) == 1
    assert all(lean is found[0] for lean in found)


def test_a_known_failure_is_not_looked_for_again(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    other = copied(vlm)
    _adapter(other)
    why = why_not_lean(other)
    monkeypatch.setattr(opening, "_made", lambda _: pytest.fail("made again"))
    assert why_not_lean(other) == why
    assert lean_of(other) is None


@pytest.mark.parametrize("change", [_adapter, lambda _: None])
def test_a_model_that_nobody_holds_any_more_is_let_go(vlm: VLM, change: Any) -> None:
    gc.collect()
    before = len(opening._FOUND)
    other = copied(vlm)
    change(other)
    lean_of(other)
    assert len(opening._FOUND) == before + 1
    del other
    gc.collect()
    assert len(opening._FOUND) == before
