from __future__ import annotations

import numpy as np
import pytest
import torch

from superneurons.serve.spelling import Columns, Speller
from superneurons.vlm.answer import LabelWords, label_words
from superneurons.vlm.model import VLM


def test_words_are_those_of_the_base_model(llava: VLM) -> None:
    speller = Speller(llava)
    assert speller.words(["yes", "no"]) == label_words(llava.processor, ["yes", "no"])
    assert speller.words(("yes", "no")) is speller.words(["yes", "no"])


def test_labels_that_start_alike_have_none(llava: VLM) -> None:
    assert Speller(llava).words(["dog", "dogs"]) is None


def test_a_speller_forgets_instead_of_growing(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("superneurons.serve.spelling._MOST_KEPT", 2)
    speller = Speller(llava)
    for labels in ("ab", "cd", "ef"):
        speller.words(tuple(labels))
    assert list(speller._known) == [("c", "d"), ("e", "f")]


def test_few_columns_say_what_all_logits_say() -> None:
    logits = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    words = LabelWords(("a", "b"), ((3, 7), (11,)))
    others = LabelWords(("c", "d", "e"), ((0,), (7, 39), (20,)))
    columns = Columns([words, others])
    pooled = columns.pool(logits).numpy()
    assert pooled.shape == (5, 7)
    for each in (words, others):
        expected = each.pool(logits).numpy()
        np.testing.assert_allclose(columns.of(each, pooled), expected, rtol=1e-6)
    np.testing.assert_allclose(pooled[:, -1], logits.logsumexp(1).numpy(), rtol=1e-6)
