from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pictures import bright_records, choices
from superneurons.activations.capture import Captured, capture
from superneurons.errors import DataError, MismatchError, ModelError
from superneurons.shortcut.cascade_fit import FittedCascade, Plan, Verified, fit_cascade
from superneurons.shortcut.cascade_stages import SITE, three_parts
from superneurons.shortcut.cascade_thresholds import choose_thresholds
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

RECORDS = bright_records(160)
PROBING = probing_set(RECORDS, balanced=False, seed=0)


def layered(vlm: VLM, seed: int = 0) -> Captured:
    """Activations in which layer 1 knows the answer of two records in three, layer 3 of most."""
    rng = np.random.default_rng(seed)
    n, (layers, width) = len(RECORDS), vlm.shape("residual")
    sign = np.where(PROBING.y == "yes", 1.0, -1.0)
    states = rng.normal(size=(n, layers, width))
    states[:, 0, 0] += sign * 6 * (rng.random(n) < 0.66)
    states[:, 2, 1] += sign * 3
    logits = np.stack([np.zeros(n), sign * 2.0 + rng.normal(size=n)], axis=1)
    return Captured({SITE: states.astype(np.float16)}, logits.astype(np.float32))


def fitted(vlm: VLM, **plan: Any) -> FittedCascade:
    return fit_cascade(vlm, RECORDS, PROBING, layered(vlm), Plan(**{"layers": (1, 3), **plan}))


def test_records_go_on_only_where_the_first_stage_is_not_sure(llava: VLM) -> None:
    found = fitted(llava)
    first, second, base = found.stages
    assert (first.layer, second.layer, base.layer) == (1, 3, 4)
    assert 0.6 < first.threshold < 1
    assert base.is_base
    assert base.threshold == 0
    shares = found.verified.shares
    assert 0.2 < shares[0] < 0.8
    assert shares[0] + shares[1] > 0.9
    assert sum(shares) == pytest.approx(1)
    assert found.costs == (1, 3, 4)
    assert found.verified.cost == pytest.approx(np.dot(shares, found.costs))
    assert found.verified.cost < 3


def test_thresholds_are_chosen_and_verified_on_parts_of_their_own(llava: VLM) -> None:
    found, captured = fitted(llava, target=0.9), layered(llava)
    fit, choose, verify = three_parts(PROBING, seed=0)
    assert [r.id for r in found.outcome.records] == [RECORDS[i].id for i in verify]
    assert found.sizes == {
        "fitted_on": len(fit), "chosen_on": len(choose), "verified_on": len(verify),
    }  # fmt: skip
    # Whatever the records that verify look like, nothing that was learnt changes.
    spoilt = captured.activations.copy()
    spoilt[verify] = 0
    other = fit_cascade(
        llava, RECORDS, PROBING, Captured({SITE: spoilt}, captured.label_logits),
        Plan(layers=(1, 3), target=0.9),
    )  # fmt: skip
    assert other.choice == found.choice
    assert other.verified != found.verified
    # Nor do the read-outs where those that choose change.
    spoilt[choose] = 0
    other = fit_cascade(
        llava, RECORDS, PROBING, Captured({SITE: spoilt}, captured.label_logits),
        Plan(layers=(1, 3), target=0.9),
    )  # fmt: skip
    states = [stage.read_out.get_state() for stage in (*found.stages, *other.stages)]
    for one, two in zip(states[:3], states[3:], strict=True):
        for name, values in one.arrays.items():
            np.testing.assert_array_equal(values, two.arrays[name])
    assert other.choice != found.choice


def test_without_a_target_it_is_as_good_as_going_to_the_end(llava: VLM) -> None:
    found = fitted(llava)
    assert found.choice.met
    assert found.end == 1  # layer 3 knows more than the logits
    right = found.outcome.right
    assert found.verified.wanted == right[:, 1].mean()
    only_base = fitted(llava, layers=(1,))
    assert only_base.end == 1
    assert only_base.stages[1].is_base


def test_a_target_that_cannot_be_met_is_not_called_met(llava: VLM) -> None:
    found = fitted(llava, layers=(1,), base_answer=False, target=0.99)
    assert not found.choice.met
    assert found.choice.target == 0.99
    assert found.choice.accuracy < 0.9
    assert found.end is None
    assert len(found.stages) == 1


def test_a_higher_target_goes_deeper(llava: VLM) -> None:
    costs = [fitted(llava, target=target).choice.cost for target in (0.6, 0.8, 0.9, 0.95)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]


def test_costs_decide_which_stage_is_worth_stopping_at(llava: VLM) -> None:
    """Where layer 3 costs next to nothing, the less accurate layer 1 is passed over."""
    early = fitted(llava, target=0.9, costs=(1.0, 50.0, 50.0)).verified.shares
    late = fitted(llava, target=0.9, costs=(1.0, 1.0, 50.0)).verified.shares
    assert early[0] > late[0]
    assert early[1] < late[1]


def test_layers_are_chosen_where_none_are_given(llava: VLM) -> None:
    found = fitted(llava, layers=None)
    assert [stage.layer for stage in found.stages] == [1, 3, 4, 4]


def test_stages_are_fitted_on_balanced_records(llava: VLM) -> None:
    records = [r for i, r in enumerate(RECORDS) if r.label == "no" or i % 4 == 1]
    probing = probing_set(records, balanced=False, seed=0)
    kept = np.array([i for i, r in enumerate(RECORDS) if r.label == "no" or i % 4 == 1])
    captured = layered(llava).rows(kept)
    sizes = {
        balanced: fit_cascade(
            llava, records, probing, captured, Plan(layers=(1, 3), balanced=balanced)
        ).sizes
        for balanced in (True, False)
    }
    assert sizes[False]["fitted_on"] == pytest.approx(60, abs=3)
    assert sizes[True]["fitted_on"] == pytest.approx(40, abs=3)
    assert sizes[True]["verified_on"] == sizes[False]["verified_on"]


def test_the_order_of_the_records_plays_no_part(llava: VLM) -> None:
    order = np.random.default_rng(3).permutation(len(RECORDS))
    records = [RECORDS[i] for i in order]
    probing = probing_set(records, balanced=False, seed=0)
    found = fit_cascade(llava, records, probing, layered(llava).rows(order), Plan(layers=(1, 3)))
    other = fitted(llava)
    assert found.choice.accuracy == other.choice.accuracy
    assert found.choice.cost == other.choice.cost
    assert found.choice.thresholds == pytest.approx(other.choice.thresholds)


def test_all_that_cannot_be_asked_for_is_said_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Plan(layers=(5, 5), target=1.2, costs=(1.0, 3.0)).check()
    assert [problem.where for problem in caught.value.problems] == [
        "layers", "target_accuracy", "costs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "plan",
    [
        {"layers": ()}, {"layers": (0, 3)}, {"layers": (3, 2)}, {"target": 0.0}, {"target": -1.0},
        {"target": float("nan")}, {"costs": (1.0, 2.0)},
        {"caution": -1.0}, {"caution": float("nan")},
        {"layers": (1, 2), "costs": (1.0, 2.0)},
        {"layers": (1,), "costs": (3.0, 2.0)},
        {"layers": (1,), "costs": (1.0, float("inf"))},
        {"layers": (1, 2), "costs": (1.0, 2.0, 3.0), "base_answer": False},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no such cascade"):
        Plan(**plan).check()


def test_a_stage_deeper_than_the_model_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="layer 9, but the model has 4"):
        fitted(llava, layers=(1, 9))


def test_activations_of_something_else_are_refused(llava: VLM) -> None:
    with pytest.raises(MismatchError):
        fit_cascade(llava, RECORDS, PROBING, layered(llava).rows(np.arange(5)), Plan(layers=(1,)))
    without = Captured(layered(llava).states)
    with pytest.raises(DataError, match="No label logits"):
        fit_cascade(llava, RECORDS, PROBING, without, Plan(layers=(1,)))


def test_a_letter_that_the_fitted_part_lacks_is_named(llava: VLM) -> None:
    records: list[Record] = choices(24)
    probing = probing_set(records, balanced=False, seed=0)
    captured = capture(llava, probing.records)
    rare = ProbingSet(
        tuple(r if i else _labelled(r, "Z") for i, r in enumerate(probing.records)),
        probing.labels, probing.form, probing.n,
    )  # fmt: skip
    with pytest.raises(DataError, match="'Z'"):
        fit_cascade(llava, records, rare, captured, Plan(layers=(1,), base_answer=False))


def _labelled(record: Record, label: str) -> Record:
    return Record(record.images, record.question, label, (*(record.options or ()), label))


def test_held_is_no_matter_of_rounding() -> None:
    assert Verified(3, 0.1 + 0.2, 0.3, 1.0, (1.0,)).held
    assert Verified(3, 0.3, 0.1 + 0.2, 1.0, (1.0,)).held
    assert not Verified(3, 0.29, 0.3, 1.0, (1.0,)).held


def test_verified_is_what_the_thresholds_give(llava: VLM) -> None:
    found = fitted(llava, target=0.85)
    again = choose_thresholds(
        found.outcome.confidence, found.outcome.right, found.costs, target=found.verified.accuracy
    )
    # Thresholds chosen on these very records cannot be beaten by those chosen on others.
    assert again.met
    assert again.cost <= found.verified.cost + 1e-9
