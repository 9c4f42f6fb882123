from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pictures import bright_records, coloured, murky, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.gate import Gate
from superneurons.amplify.last_step import (
    Fitted,
    LastStep,
    fit_last_step,
    last_step_gain,
    record_differences,
)
from superneurons.amplify.neurons import differences
from superneurons.errors import DataError, MismatchError, ModelError
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

SOME = (Amplification(2, [3, 1, 40], 3.0),)


@pytest.fixture(scope="module")
def classifier(llava: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(llava, max_layer=1).fit(murky(32, seed=1))


@pytest.fixture(scope="module")
def step(classifier: SuperNeuronClassifier) -> LastStep:
    return fit_last_step(classifier, murky(24, seed=2), [SOME])


def labels(answers: list) -> list[str]:
    return [answer.label for answer in answers]


def test_sure_records_keep_their_answer(step: LastStep) -> None:
    records = murky(16, seed=3)
    before = list(step.fitted.answers(records))
    sure = np.array([answer.confidence for answer in before])
    half = replace(step, gate=Gate(float(np.median(sure))))
    after = half.answers(records, before)
    for was, now in zip(before, after, strict=True):
        if was.confidence >= half.gate.threshold:
            assert now is was
        else:
            assert now.exit_layer == 4
            assert sum(now.probabilities.values()) == pytest.approx(1)
            assert now.confidence == max(now.probabilities.values())
            assert now.probabilities != was.probabilities
    assert labels(half.answers(records)) == labels(after)
    assert replace(step, gate=Gate(0.0)).answers(records, before) == before


def test_unsure_records_get_the_amplified_models_answer(step: LastStep, llava: VLM) -> None:
    records = murky(6, seed=3)
    with amplified(llava, SOME[0]):
        logits = capture(llava, records, words=step.words).label_logits
    wanted = step.read_out.predict(logits)
    always = replace(step, gate=Gate(2.0))
    assert labels(always.answers(records)) == wanted.tolist()
    plain = replace(always, candidate=())
    shares = [a.probabilities["yes"] for a in plain.answers(records)]
    assert shares != [a.probabilities["yes"] for a in always.answers(records)]


def test_nothing_is_left_hooked(step: LastStep, llava: VLM) -> None:
    records = murky(4, seed=3)
    states = llava.last_states(llava.encode(records), logits=True).logits
    replace(step, gate=Gate(2.0)).answers(records)
    again = llava.last_states(llava.encode(records), logits=True).logits
    assert states is not None
    assert again is not None
    assert torch.equal(states, again)


def test_a_candidate_that_helps_is_chosen(
    classifier: SuperNeuronClassifier, llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits that know the answer only when amplified, by a head that is told it."""
    from superneurons.amplify import last_step

    known = {r.id: r.label for r in bright_records(40)}

    def told(fitted: Fitted, records: list, candidate: tuple, words: object) -> np.ndarray:
        right = np.array([[known[r.id] == "no", known[r.id] == "yes"] for r in records])
        noise = np.random.default_rng(len(records)).normal(size=right.shape)
        return (4 * right if candidate == SOME else noise).astype(np.float32)

    monkeypatch.setattr(last_step, "_logits", told)
    upside_down = replace_labels(classifier)
    records = bright_records(40)
    found = fit_last_step(upside_down, records, [(), SOME])
    assert found.candidate == SOME
    assert found.gate.threshold > 0
    base = fit_last_step(upside_down, records, [()])
    gain = last_step_gain(found, base, records)
    assert gain.amplified > 0.9 > gain.base
    assert gain.over_base.interval[0] > 0
    assert gain.asked_again > 20
    assert fit_last_step(upside_down, records, [SOME, ()]).candidate == SOME


def replace_labels(classifier: SuperNeuronClassifier) -> SuperNeuronClassifier:
    """The same classifier, fitted on labels that are wrong."""
    records = bright_records(32)
    wrong = ["no" if r.label == "yes" else "yes" for r in records]
    return SuperNeuronClassifier(classifier.model, max_layer=1).fit(records, wrong)


def test_where_nothing_helps_the_gate_stays_closed(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava).fit(bright_records(32))
    records = bright_records(24, seed=5)
    step = fit_last_step(classifier, records, [SOME])
    assert step.gate == Gate(0.0)
    gain = last_step_gain(step, fit_last_step(classifier, records, [()]), records)
    assert gain.asked_again == 0
    assert gain.fitted == gain.base == gain.amplified == 1.0
    assert gain.over_base.difference == gain.over_fitted.difference == 0.0
    assert gain.as_dict()["candidate"][0]["layer"] == 2


def test_it_is_the_last_step_of_a_cascade(llava: VLM) -> None:
    cascade = Cascade(llava, layers=[1, 3]).fit(murky(48, seed=4))
    step = fit_last_step(cascade, murky(24, seed=2), [SOME])
    records = murky(12, seed=3)
    gain = last_step_gain(replace(step, gate=Gate(2.0)), step, records)
    assert (gain.records, gain.asked_again) == (12, 12)
    truth = [record.label for record in records]
    alone = np.mean([a == b for a, b in zip(labels(list(cascade.answers(records))), truth,
                                             strict=True)])  # fmt: skip
    assert gain.fitted == pytest.approx(alone)


def by_letter() -> list[Record]:
    """Records with options of their own; the right one is now the first, now the second."""
    records = coloured(36, options=True)
    return [
        replace(record, options=(record.options or ())[:: 1 if i // 3 % 2 else -1])
        for i, record in enumerate(records)
    ]


@pytest.mark.parametrize("records", [shades(36), by_letter()])
def test_other_forms_of_question_are_answered(llava: VLM, records: list) -> None:
    classifier = SuperNeuronClassifier(llava, multiclass="native").fit(records)
    step = replace(fit_last_step(classifier, records, [SOME]), gate=Gate(2.0))
    for record, answer in zip(records, step.answers(records), strict=True):
        assert answer.label in (record.options or ("dark", "grey", "pale"))
    gain = last_step_gain(step, step, records)
    assert gain.over_base.difference == 0.0


def test_what_has_no_logits_to_amplify_is_refused(llava: VLM) -> None:
    unrolled = SuperNeuronClassifier(llava, multiclass="unrolled").fit(shades(24))
    with pytest.raises(DataError, match="asks for each answer by itself"):
        fit_last_step(unrolled, shades(24), [SOME])
    with pytest.raises(DataError, match="nothing to choose from"):
        fit_last_step(unrolled, shades(24), [])


def test_neurons_of_another_model_and_infinities_are_refused(
    classifier: SuperNeuronClassifier,
) -> None:
    with pytest.raises(MismatchError):
        fit_last_step(classifier, murky(24), [(replace(SOME[0], model="other"),)])
    with pytest.raises((ModelError, DataError)) as caught:
        fit_last_step(classifier, murky(24), [(replace(SOME[0], multiplier=1e38),)])
    assert "finite" in str(caught.value)


def test_neurons_of_records_are_found_like_those_of_prompts(llava: VLM) -> None:
    task, control = bright_records(6), shades(6)
    found = record_differences(llava, task, control, scoring="magnitude")
    values = [capture(llava, part, sites=(Site("mlp"),)).activations for part in (task, control)]
    np.testing.assert_array_equal(found, differences(values[0], values[1], "magnitude"))
    assert found.shape == llava.shape("mlp")
    with pytest.raises(DataError, match="comparing") as caught:
        record_differences(llava, task, [])
    assert caught.value.where == "control records"


def test_hooks_are_gone_when_answers_fail(step: LastStep, llava: VLM) -> None:
    bad = replace(murky(1)[0], images=("no such file.png",))
    always = replace(step, gate=Gate(2.0))
    before = list(step.fitted.answers(murky(1)))
    with pytest.raises(DataError):
        always.answers([bad], before)
    assert all(not m._forward_pre_hooks for m in llava.model.modules() if isinstance(m, nn.Linear))
