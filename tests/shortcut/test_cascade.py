from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pictures import bright_records, choices, murky, shades
from superneurons.errors import DataError, ModelError
from superneurons.shortcut.cascade import Cascade, CascadeWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

Maker = Callable[..., list[Record]]


def quietly(cascade: Cascade, records: list[Record]) -> Cascade:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CascadeWarning)
        return cascade.fit(records)


@pytest.mark.parametrize("make", [bright_records, shades])
def test_it_learns_an_easy_question_and_stops_early(vlm: VLM, make: Maker) -> None:
    cascade = Cascade(vlm, layers=[1, 3]).fit(make(48))
    assert cascade.score(make(18, seed=1)) >= 0.9
    assert cascade.met_
    assert cascade.path == "lean"
    assert cascade.reason == ""
    # The first layer knows: so no other ever runs.
    assert {answer.exit_layer for answer in cascade.answers(make(6, seed=1))} == {1}
    assert (cascade.depth_, cascade.asks_base_) == (1, False)
    assert cascade.probing_["records"] == 48


def test_without_layers_it_finds_some_itself(vlm: VLM) -> None:
    cascade = Cascade(vlm).fit(bright_records(40))
    assert [stage.layer for stage in cascade.stages_] == [1, 4, 4]
    assert [stage.is_base for stage in cascade.stages_] == [False, False, True]


def test_options_of_each_record_are_asked_by_letter(vlm: VLM) -> None:
    cascade = quietly(Cascade(vlm, layers=[1, 3], random_state=1), choices(72))
    records = choices(8, seed=1)
    assert cascade.form_ == "lettered"
    for record, answer in zip(records, cascade.answers(records), strict=True):
        assert set(answer.probabilities) == set(record.options or ())
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.label == max(answer.probabilities, key=lambda k: answer.probabilities[k])
    with pytest.raises(DataError, match="options differ"):
        cascade.predict_proba(records)


def test_a_target_out_of_reach_is_met_by_nothing_and_said(vlm: VLM) -> None:
    cascade = Cascade(vlm, layers=[1, 2], target_accuracy=0.999)
    with pytest.warns(CascadeWarning, match="No thresholds reach an accuracy of 99.9%"):
        cascade.fit(murky(60))
    assert not cascade.met_
    assert cascade.target_ == 0.999
    assert cascade.fitted_.choice.accuracy < 0.999


def test_a_target_that_does_not_hold_on_other_records_is_said(llava: VLM) -> None:
    found = {}
    for seed in range(8):
        cascade = Cascade(llava, layers=[1, 2], target_accuracy=0.72, random_state=seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CascadeWarning)
            cascade.fit(murky(60))
        said = [str(w.message) for w in caught if w.category is CascadeWarning]
        found[cascade.met_, cascade.verified_.held] = said
        if cascade.met_ and not cascade.verified_.held:
            assert said[0].startswith("The target of 72.0% is met on the records that chose")
            assert f"{cascade.verified_.accuracy:.1%}" in said[0]
        assert bool(said) == (not cascade.met_ or not cascade.verified_.held)
    assert {(True, False), (True, True)} <= found.keys()


def test_a_higher_target_never_costs_less(llava: VLM) -> None:
    costs = []
    for target in (0.55, 0.7, 0.8, 0.9):
        cascade = quietly(Cascade(llava, layers=[1, 3], target_accuracy=target), murky(80))
        assert cascade.fitted_.choice.met == (cascade.fitted_.choice.accuracy >= target - 1e-9)
        costs.append(cascade.fitted_.choice.cost)
    assert costs == sorted(costs)


def test_the_order_of_the_records_plays_no_part(llava: VLM) -> None:
    records = [replace(r, group=f"g{i}") for i, r in enumerate(murky(60))]
    order = np.random.default_rng(0).permutation(60)
    one = quietly(Cascade(llava, layers=[1, 3], batch_size=1), records)
    two = quietly(Cascade(llava, layers=[1, 3], batch_size=1), [records[i] for i in order])
    assert one.verified_ == two.verified_
    sure = [[stage.threshold for stage in cascade.stages_] for cascade in (one, two)]
    assert sure[0] == pytest.approx(sure[1], rel=1e-6)


def test_without_the_base_models_answer_no_later_layer_and_no_head_runs(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a later layer ran")

    for layer in vlm.layers[2:]:
        monkeypatch.setattr(layer, "forward", fail)
    monkeypatch.setattr(vlm.model.get_output_embeddings(), "forward", fail)
    cascade = quietly(Cascade(vlm, layers=[1, 2], base_answer=False), murky(60))
    assert len(cascade.predict(murky(4, seed=1))) == 4
    assert cascade.depth_ <= 2
    assert not cascade.asks_base_


def test_activations_are_kept_and_read_again(
    llava: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Cascade(llava, layers=[1, 3], activations=tmp_path / "kept").fit(bright_records(40))
    assert (tmp_path / "kept" / "plan.json").exists()
    monkeypatch.setattr(VLM, "last_states", lambda *_, **__: pytest.fail("the model ran again"))
    two = clone(one).fit(bright_records(40))
    assert two.verified_ == one.verified_


def test_labels_can_be_given_apart(llava: VLM) -> None:
    records = bright_records(40)
    names = ["light" if r.label == "yes" else "gloomy" for r in records]
    cascade = Cascade(llava, layers=[1]).fit(records, names)
    assert cascade.classes_.tolist() == ["gloomy", "light"]
    assert cascade.score(records, names) > 0.9


def test_labels_that_start_alike_have_no_base_answer(llava: VLM) -> None:
    records = bright_records(40)
    names = ["lit" if r.label == "yes" else "listless" for r in records]
    with pytest.raises(ModelError, match="cannot tell these labels apart") as caught:
        Cascade(llava, layers=[1]).fit(records, names)
    assert "base_answer=False" in str(caught.value.mend)
    cascade = Cascade(llava, layers=[1], base_answer=False).fit(records, names)
    assert cascade.score(records, names) > 0.9


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layers": [3, 3]}, "each deeper than the last"),
        ({"layers": []}, "each deeper than the last"),
        ({"target_accuracy": 1.01}, "1.01 is not above 0"),
        ({"costs": [1.0, 2.0]}, "no layers are given"),
        ({"layers": [1], "costs": [1.0]}, "1, should be 2"),
        ({"read_out": "nothing"}, "Unknown read-out"),
        ({"read_out": "logits"}, "reads the base model's label logits"),
    ],
)
def test_bad_parameters_are_refused_before_the_model_is_opened(
    params: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Cascade("no such model", **params).fit(bright_records(40))


def test_too_few_records_are_refused_before_the_model_is_opened() -> None:
    with pytest.raises(DataError, match="Too few records for a cascade"):
        Cascade("no such model").fit(bright_records(6))


def test_a_stage_deeper_than_the_model_is_refused_before_it_runs(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "last_states", lambda *_, **__: pytest.fail("the model ran"))
    with pytest.raises(ModelError, match="stops at layer 5, but the model has 4"):
        Cascade(llava, layers=[1, 5]).fit(bright_records(40))


def test_two_classes_at_most_for_a_read_out_that_knows_no_more(llava: VLM) -> None:
    with pytest.raises(DataError, match="tells two classes apart"):
        Cascade(llava, read_out="paper").fit(shades(40))
    assert Cascade(llava, layers=[2], read_out="paper").fit(bright_records(40)).met_


def test_nothing_is_answered_before_fit(llava: VLM) -> None:
    cascade = Cascade.from_model(llava)
    with pytest.raises(NotFittedError):
        cascade.predict(bright_records(2))
    with pytest.raises(NotFittedError):
        _ = cascade.depth_
