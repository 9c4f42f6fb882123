"""What an answer must not depend on: the batch, the order of the records, the padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import bright_records, choices, shades
from superneurons.activations.capture import Captured, to_float16
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

# Batches of other shapes round otherwise, and activations are kept in float16.
CLOSE, CLEAR = 0.02, 0.1

CASES: dict[str, tuple[Callable[..., list[Record]], dict[str, Any]]] = {
    "direct, two": (bright_records, {}),
    "direct, three": (shades, {}),
    "lettered": (choices, {}),
    "unrolled": (choices, {"multiclass": "unrolled"}),
    "paper": (bright_records, {"read_out": "paper"}),
    "logistic": (shades, {"read_out": "logistic"}),
    "knn": (shades, {"read_out": "knn"}),
    "savs": (shades, {"read_out": "savs"}),
    "vision": (shades, {"site": "vision"}),
    "mlp": (bright_records, {"site": "mlp"}),
    "generated": (bright_records, {"position": "first_generated"}),
}
BY_VOTES = ("paper", "knn", "savs")


@pytest.fixture(scope="module")
def fitted(vlm: VLM) -> Callable[[str], SuperNeuronClassifier]:
    made: dict[str, SuperNeuronClassifier] = {}

    def fit(case: str) -> SuperNeuronClassifier:
        if case not in made:
            make, params = CASES[case]
            made[case] = SuperNeuronClassifier(vlm, **params).fit(make(30))
        return made[case]

    return fit


def records_of(case: str, n: int = 12) -> list[Record]:
    """Records whose prompts are of different lengths, so that batches are padded."""
    make, _ = CASES[case]
    return [
        replace(record, question=record.question + " Look closely." * (i % 3), id=str(i))
        for i, record in enumerate(make(n, seed=1))
    ]


def agree(case: str, one: Sequence[Prediction], other: Sequence[Prediction]) -> None:
    """Labels agree where they are clear, probabilities where they don't move by whole votes."""
    clear = 0
    for a, b in zip(one, other, strict=True):
        assert a.id == b.id
        assert list(a.probabilities) == list(b.probabilities)
        first, second, *_ = sorted(a.probabilities.values(), reverse=True)
        if first - second > CLEAR:
            clear += 1
            assert a.label == b.label
        if case not in BY_VOTES:
            for option, share in a.probabilities.items():
                assert b.probabilities[option] == pytest.approx(share, abs=CLOSE)
    assert clear >= len(one) / 4, "too little is clear to show anything"


@pytest.mark.parametrize("case", CASES)
def test_answers_depend_on_neither_batch_nor_order(
    fitted: Callable[[str], SuperNeuronClassifier], case: str
) -> None:
    classifier, records = fitted(case), records_of(case)
    expected = list(classifier.answers(records))

    @given(order=st.permutations(range(len(records))), batch_size=st.sampled_from([1, 3, 5, 12]))
    @settings(max_examples=4, deadline=None, derandomize=True)
    def hold(order: list[int], batch_size: int) -> None:
        before = classifier.batch_size
        classifier.set_params(batch_size=batch_size)
        found = list(classifier.answers([records[i] for i in order]))
        classifier.set_params(batch_size=before)
        agree(case, [expected[i] for i in order], found)

    hold()


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("vision", "generated")])
def test_answers_do_not_depend_on_the_side_that_is_padded(
    fitted: Callable[[str], SuperNeuronClassifier], case: str
) -> None:
    classifier, records = fitted(case), records_of(case)
    vlm, site = classifier.truncated(), classifier.site_
    found = []
    for side in ("right", "left"):
        inputs = vlm.encode(classifier.asked(records), padding_side=side)
        lengths = inputs.tensors["attention_mask"].sum(dim=1)
        assert lengths.min() < lengths.max(), "nothing is padded"
        states = vlm.last_states(inputs, [site.kind]).parts[site.kind]
        captured = Captured({site: to_float16(states)})
        found.append(classifier.answer_captured(records, captured))
    agree(case, *found)


@pytest.mark.parametrize("case", ["direct, two", "direct, three", "lettered", "paper"])
def test_what_is_fitted_does_not_depend_on_the_order(llava: VLM, case: str) -> None:
    make, params = CASES[case]
    records = make(24)
    order = np.random.default_rng(0).permutation(24).tolist()
    # one by one, so that batches can't round otherwise
    one, other = (
        SuperNeuronClassifier(llava, batch_size=1, balanced=False, **params).fit(given)
        for given in (records, [records[i] for i in order])
    )
    assert one.neurons_ == other.neurons_
    for a, b in zip(one.answers(records), other.answers(records), strict=True):
        assert a.label == b.label
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-9)
