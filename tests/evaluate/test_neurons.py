from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asking import prompts_asked
from pictures import bright_records, murky, shades
from superneurons.activations.capture import Captured, capture
from superneurons.errors import DataError, SuperNeuronsError
from superneurons.evaluate import neurons as module
from superneurons.evaluate.neurons import NeuronSeen, neurons_on
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


@pytest.fixture(scope="module")
def fitted(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava).fit(bright_records(24))


def _activations(
    fitted: SuperNeuronClassifier, records: list[Record], one: NeuronSeen
) -> list[float]:
    captured = capture(fitted.whole(), records, sites=(fitted.site_,))
    return captured.activations[:, one.layer - 1, one.column].astype(float).tolist()


def test_pictures_are_those_of_the_highest_and_lowest_activations(
    fitted: SuperNeuronClassifier,
) -> None:
    records = murky(20, seed=3)
    found = neurons_on(fitted, records, top=3, pictures=4)
    assert (found.records, found.questions, len(found.neurons)) == (20, 20, 3)
    for one in found.neurons:
        x = _activations(fitted, records, one)
        assert [s.activation for s in one.highest] == pytest.approx(sorted(x)[::-1][:4], abs=2e-2)
        assert [s.activation for s in one.lowest] == pytest.approx(sorted(x)[:4], abs=2e-2)
        for shown in (*one.highest, *one.lowest):
            number = int(shown.picture.removeprefix("bright:"))
            assert x[number] == pytest.approx(shown.activation, abs=2e-2)
            assert shown.label == records[number].label


def test_the_most_wrong_are_on_the_wrong_side(fitted: SuperNeuronClassifier) -> None:
    records = murky(20, seed=3)
    found = neurons_on(fitted, records, top=5, pictures=20)
    assert any(one.most_wrong for one in found.neurons)
    for one in found.neurons:
        far = [abs(shown.activation - one.threshold) for shown in one.most_wrong]
        assert far == sorted(far, reverse=True)
        for shown in one.most_wrong:
            says = (shown.activation > one.threshold) == one.above
            assert says != (shown.label == one.says)
        x = np.array(_activations(fitted, records, one))
        truth = np.array([record.label == one.says for record in records])
        said = (x > one.threshold) == one.above
        balanced = (said[truth].mean() + (~said)[~truth].mean()) / 2
        assert one.balanced_accuracy == pytest.approx(balanced, abs=0.06)  # other batches round
        assert len(one.most_wrong) == pytest.approx((said != truth).sum(), abs=1)


def test_weights_are_for_one_standard_deviation_and_order_the_neurons(
    fitted: SuperNeuronClassifier,
) -> None:
    records = bright_records(16, seed=1)
    found = neurons_on(fitted, records, top=1000)
    weights = [abs(one.weight or 0) for one in found.neurons]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) == len(fitted.neurons_)
    per_unit = dict(zip(fitted.neurons_, fitted.read_out_.coef_[:, 0], strict=True))  # type: ignore[attr-defined]
    first = found.neurons[0]
    spread = np.std(_activations(fitted, records, first))
    place = next(n for n in per_unit if (n.layer, n.index) == (first.layer, first.column))
    assert first.weight == pytest.approx(per_unit[place] * spread, rel=0.02)


def test_agreement_is_of_all_pairs(llava: VLM) -> None:
    params = {"max_neurons": 3}
    few = SuperNeuronClassifier(llava, read_out_params=params).fit(bright_records(24))
    records = murky(16, seed=2)
    found = neurons_on(few, records, top=3)
    said = []
    for one in found.neurons:
        x = np.array(_activations(few, records, one))
        said.append((x > one.threshold) == one.above)
    pairs = [np.mean(said[a] == said[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found.agreement == pytest.approx(np.mean(pairs), abs=0.05)


def test_one_neuron_agrees_with_nobody(llava: VLM) -> None:
    params = {"max_neurons": 1}
    one = SuperNeuronClassifier(llava, read_out_params=params).fit(bright_records(24))
    found = neurons_on(one, bright_records(8, seed=1))
    assert found.agreement is None
    assert found.neurons[0].agreement >= 0.5
    assert found.balanced_accuracy == one.score(bright_records(8, seed=1))


def test_of_three_labels_a_neuron_says_the_one_it_tells_best(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava).fit(shades(30))
    found = neurons_on(fitted, shades(18, seed=1), top=20)
    assert {one.says for one in found.neurons} <= {"dark", "grey", "pale"}
    assert len({one.says for one in found.neurons}) > 1
    assert found.agreement is None


def test_the_model_runs_no_further_than_the_exit(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = SuperNeuronClassifier(llava, max_layer=1).fit(bright_records(24))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the last layer ran")

    monkeypatch.setattr(llava.layers[-1], "forward", fail)
    assert neurons_on(shallow, bright_records(8, seed=1)).questions == 8


def test_where_each_answer_is_asked_for_there_are_more_questions(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, multiclass="unrolled").fit(shades(30))
    found = neurons_on(fitted, shades(12, seed=1), top=2)
    assert (found.records, found.questions) == (12, 36)
    assert {shown.label for one in found.neurons for shown in one.highest} <= {"yes", "no"}


@pytest.mark.parametrize("read_out", ["paper", "knn"])
def test_without_weights_the_best_come_first(llava: VLM, read_out: str) -> None:
    fitted = SuperNeuronClassifier(llava, read_out=read_out).fit(bright_records(24))
    found = neurons_on(fitted, murky(16, seed=2), top=6)
    scores = [one.balanced_accuracy for one in found.neurons]
    assert scores == sorted(scores, reverse=True)


def test_pictures_that_are_files_are_named_by_their_path(
    fitted: SuperNeuronClassifier, tmp_path: Path
) -> None:
    records = []
    for number, record in enumerate(bright_records(6, seed=1)):
        path = tmp_path / f"{number}.png"
        record.images[0].save(path)  # type: ignore[union-attr]
        records.append(replace(record, images=(path,)))
    found = neurons_on(fitted, records, top=1, pictures=1)
    assert Path(found.neurons[0].highest[0].picture).parent == tmp_path
    nameless = [
        replace(r, images=bright_records(6)[i].images, id="") for i, r in enumerate(records)
    ]
    assert neurons_on(fitted, nameless, top=1).neurons[0].highest[0].picture.startswith("record ")
    assert json.loads(json.dumps(found.as_dict()))["neurons"][0]["highest"][0]["label"] == "yes"


def test_what_cannot_be_looked_at_is_refused(fitted: SuperNeuronClassifier) -> None:
    records = bright_records(6, seed=1)
    with pytest.raises(DataError, match="no records"):
        neurons_on(fitted, [])
    with pytest.raises(DataError, match="'rather'"):
        neurons_on(fitted, [*records, replace(records[0], label="rather")])
    with pytest.raises(DataError, match="same answer, 'yes'"):
        neurons_on(fitted, [record for record in records if record.label == "yes"])
    with pytest.raises(DataError, match="label"):
        neurons_on(fitted, [replace(record, label=None) for record in records])


def test_of_two_labels_a_neuron_says_the_second_above_or_below(
    fitted: SuperNeuronClassifier,
) -> None:
    found = neurons_on(fitted, murky(20, seed=3), top=1000)
    assert {one.says for one in found.neurons} == {"yes"}
    assert {one.above for one in found.neurons} == {True, False}
    assert found.neurons != neurons_on(fitted, murky(20, seed=3)).neurons
    assert len(neurons_on(fitted, murky(20, seed=3)).neurons) == 5


def test_agreement_is_with_what_the_classifier_answers(llava: VLM) -> None:
    few = SuperNeuronClassifier(llava, read_out_params={"max_neurons": 3}).fit(murky(24))
    records = murky(16, seed=2)
    answers = few.predict(records)
    found = neurons_on(few, records, top=3)
    assert len({one.agreement for one in found.neurons} - {1.0}) > 0
    for one in found.neurons:
        x = np.array(_activations(few, records, one))
        said = np.where((x > one.threshold) == one.above, "yes", "no")
        assert one.agreement == pytest.approx(np.mean(said == answers), abs=0.07)


def test_records_are_asked_as_the_classifier_asks_in_its_batches(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "{pictures}Q: {question} A:"
    asking = SuperNeuronClassifier(llava, prompt_template=template, batch_size=3)
    asking.fit(bright_records(24))
    told: list[tuple[int, int]] = []
    asked = prompts_asked(monkeypatch)
    neurons_on(asking, murky(8), progress=lambda done, n: told.append((done, n)))
    assert asked == [Prompt(template=template)] * 3
    assert told == [(3, 8), (6, 8), (8, 8)]


def test_activations_that_are_no_numbers_are_refused(
    fitted: SuperNeuronClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: Any, **options: Any) -> Captured:
        found = capture(*words, **options)
        found.activations[1] = np.nan
        return found

    monkeypatch.setattr(module, "capture", broken)
    with pytest.raises(SuperNeuronsError, match="bright:1"):
        neurons_on(fitted, bright_records(4, seed=1))


def test_votes_that_all_count_alike_leave_the_order_to_how_good_they_are(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, read_out="paper").fit(murky(36))
    found = neurons_on(fitted, murky(24, seed=2), top=1000)
    assert {one.weight for one in found.neurons} == {1.0}
    scores = [one.balanced_accuracy for one in found.neurons]
    assert len(set(scores)) > 1
    assert scores == sorted(scores, reverse=True)
    by_place = {(n.layer, n.index): k for k, n in enumerate(fitted.neurons_)}
    order = [by_place[one.layer, one.column] for one in found.neurons]
    for a, b in zip(range(len(order) - 1), range(1, len(order)), strict=True):
        assert scores[a] > scores[b] or order[a] < order[b], "of equals the first chosen"


@pytest.mark.parametrize("pictures", [0, 2, 100])
def test_no_more_pictures_are_named_than_there_are(
    fitted: SuperNeuronClassifier, pictures: int
) -> None:
    found = neurons_on(fitted, murky(9, seed=3), top=2, pictures=pictures)
    for one in found.neurons:
        assert len(one.highest) == len(one.lowest) == min(pictures, 9)
        assert len(one.most_wrong) <= min(pictures, 9)
        if pictures == 100:
            assert one.highest == one.lowest[::-1]
