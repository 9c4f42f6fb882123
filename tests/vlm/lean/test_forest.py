from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from superneurons.task.record import Record
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.lean.forest import Branch, Forest
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM

QUESTIONS = ["Is it bright?", "Is it, all in all, dark?", "Bright or dark, what would you say?"]
NEURONS = [([1, 1], [3, 0]), ([2, 4, 3], [1, 5, 31]), ([4], [2])]


def asked(records: list[Record], question: str) -> list[Record]:
    return [replace(record, question=question) for record in records]


def common(ids: list[list[int]]) -> int:
    return next(i for i, row in enumerate(zip(*ids, strict=False)) if len(set(row)) > 1)


def planted(vlm: VLM, records: list[Record], kinds: list[Any]) -> tuple[Forest, Any]:
    lean = lean_of(vlm)
    assert lean is not None
    ids = [vlm.encode(asked(records[:1], q)).tensors["input_ids"][0].tolist() for q in QUESTIONS]
    stem = common(ids)
    branches = [
        Branch(torch.tensor(row[stem:]), torch.tensor(layers), torch.tensor(columns), kind)
        for row, (layers, columns), kind in zip(ids, NEURONS, kinds, strict=True)
    ]
    return Forest(lean, stem, branches, vlm.device), lean


@pytest.mark.parametrize("kinds", [["residual"] * 3, ["mlp", "residual", "heads"]])
@torch.inference_mode()
def test_each_question_gets_what_it_would_get_alone(
    vlm: VLM, records: list[Record], kinds: list[Any]
) -> None:
    forest, lean = planted(vlm, records, kinds)
    tensors = vlm.encode(asked(records[:3], QUESTIONS[0])).tensors
    together = forest(tensors, lean.tower.grids(tensors))
    alone = [
        EarlyExit(vlm, layers, columns, kind=kind)(vlm.encode(asked(records[:3], question)))
        for question, (layers, columns), kind in zip(QUESTIONS, NEURONS, kinds, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), atol=2e-4, rtol=2e-4)


@torch.inference_mode()
def test_the_pictures_are_looked_at_once(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    forest, lean = planted(vlm, records, ["residual"] * 3)
    looks = []
    see = type(lean.tower).see
    monkeypatch.setattr(type(lean.tower), "see", lambda *a, **k: looks.append(1) or see(*a, **k))
    tensors = vlm.encode(asked(records[:2], QUESTIONS[1])).tensors
    forest(tensors, lean.tower.grids(tensors))
    assert len(looks) == 1
