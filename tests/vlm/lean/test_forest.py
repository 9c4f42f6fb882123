from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.lean.forest import Branch, Forest
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM, Inputs

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


def with_words(vlm: VLM, inputs: Inputs, stem: int, words: torch.Tensor) -> Inputs:
    """The same pictures, with other words after the beginning."""
    ids = inputs.tensors["input_ids"][:, :stem]
    ids = torch.cat([ids, words.expand(len(ids), -1)], dim=1)
    tensors = {**inputs.tensors, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "mm_token_type_ids" in tensors:
        tensors["mm_token_type_ids"] = (ids == vlm.model.config.image_token_id).long()
    return Inputs(tensors, torch.full((len(ids),), ids.shape[1] - 1), inputs.pictures)


asked_so = st.tuples(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),  # words
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 31)), min_size=1, max_size=4),
    st.sampled_from(["residual", "mlp", "heads"]),
)


@settings(max_examples=15, deadline=None)
@given(questions=st.lists(asked_so, min_size=1, max_size=6), n=st.integers(1, 3))
@torch.inference_mode()
def test_any_questions_of_any_length_that_end_at_any_layer(
    vlm: VLM, records: list[Record], questions: list[Any], n: int
) -> None:
    lean = lean_of(vlm)
    assert lean is not None
    inputs = vlm.encode(records[:n])
    ids = inputs.tensors["input_ids"]
    stem = int((ids[0] == lean.image_token).nonzero()[-1]) + 1
    known = ids[0, stem:].unique()
    branches, alone = [], []
    for words, neurons, kind in questions:
        layers, columns = zip(*neurons, strict=True)
        own = known[torch.tensor(words) % len(known)]
        branches.append(Branch(own, torch.tensor(layers), torch.tensor(columns), kind))
        leave = EarlyExit(vlm, layers, columns, kind=kind, acceleration="off")
        alone.append(leave(with_words(vlm, inputs, stem, own)))
    together = Forest(lean, stem, branches, vlm.device)(
        inputs.tensors, lean.tower.grids(inputs.tensors)
    )
    torch.testing.assert_close(together, torch.cat(alone, dim=1), atol=2e-4, rtol=2e-4)


def test_a_question_deeper_than_the_model_is_not_answered(vlm: VLM, records: list[Record]) -> None:
    lean = lean_of(vlm.truncated(2))
    assert lean is not None
    branch = Branch(torch.tensor([5]), torch.tensor([3]), torch.tensor([0]))
    with pytest.raises(ModelError, match="layer 3"):
        Forest(lean, 1, [branch], vlm.device)
