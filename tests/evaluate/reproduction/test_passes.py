from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from asking import prompts_asked
from pictures import bright_records
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.evaluate.passes import silent
from superneurons.evaluate.reproduction.candidates import Candidate, Candidates, SingleNeuron
from superneurons.evaluate.reproduction.passes import Passes, given_by
from superneurons.evaluate.rivals import base_task
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

SITES = (Site(), Site("heads"))


def passes(vlm: VLM, *, batch_size: int = 5, max_layer: int | None = None) -> Passes:
    words = base_task(vlm, bright_records(2), ("no", "yes")).words
    return Passes(vlm, SITES, words, Prompt(), batch_size, max_layer, silent)


def test_what_is_kept_is_what_was_captured(llava: VLM) -> None:
    records = bright_records(12)
    kept = passes(llava).kept(records, "probing set")
    for site in SITES:
        plain = capture(llava, records, sites=[site]).activations
        np.testing.assert_allclose(kept.at(site).activations, plain, atol=2e-3)
    assert kept.label_logits is not None
    assert kept.label_logits.shape == (12, 2)


@pytest.mark.parametrize("layers", [1, 3])
def test_layers_beyond_the_last_are_let_go(llava: VLM, layers: int) -> None:
    records = bright_records(8)
    cut, whole = (passes(llava, max_layer=k).kept(records, "") for k in (layers, None))
    for site in SITES:
        assert np.array_equal(cut.at(site).activations, whole.at(site).activations[:, :layers])
    assert np.array_equal(cut.label_logits, whole.label_logits)  # type: ignore[arg-type]


def test_answers_batch_by_batch_are_those_to_all_at_once(llava: VLM) -> None:
    known, others = bright_records(24), bright_records(11, seed=1)
    run = passes(llava)
    fitted = Candidates(llava, known, run.kept(known, ""), margin_step=0.01, seed=0)
    candidates = [*fitted.of_logits(), *fitted.of_neurons("last_prompt"), fitted.of_heads()]
    given = run.answered(others, candidates, "test set")
    whole = run.kept(others, "")
    assert set(given) == {candidate.key for candidate in candidates}
    for candidate in candidates:
        at_once = given_by(candidate, whole)
        assert given[candidate.key].labels == at_once.labels
        assert np.array_equal(given[candidate.key].decisions, at_once.decisions)  # type: ignore[arg-type]


def test_the_model_sees_each_record_once(llava: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = VLM.last_states

    def counting(vlm: VLM, inputs, *rest, **more):  # type: ignore[no-untyped-def]
        seen.append(len(inputs))
        return plain(vlm, inputs, *rest, **more)

    monkeypatch.setattr(VLM, "last_states", counting)
    passes(llava, batch_size=5).kept(bright_records(12), "")
    assert seen == [5, 5, 2]


def test_progress_counts_questions_and_ends_with_all_of_them(
    llava: VLM, told_steps: Any, batch_sizes: list[int]
) -> None:
    run = replace(passes(llava, batch_size=5), steps=told_steps)
    run.kept(bright_records(12), "probing set")
    assert batch_sizes == [5, 5, 2]
    assert told_steps.of("probing set") == [(5, 12), (10, 12), (12, 12)]


def test_questions_are_asked_in_the_prompt_given(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = prompts_asked(monkeypatch)
    prompt = Prompt(template="{pictures}Q: {question} A:")
    found = replace(passes(llava), prompt=prompt).kept(bright_records(6), "")
    assert set(asked) == {prompt}
    plain = passes(llava).kept(bright_records(6), "")
    assert not np.array_equal(found.activations, plain.activations)


def test_no_batch_is_held_while_the_next_is_read(llava: VLM) -> None:
    """A candidate is shown one batch at a time, in the order of the questions."""
    shown: list[int] = []

    class Counting:
        neurons_ = np.array([0])

        def decision_function(self, X: NDArray[Any]) -> NDArray[np.float64]:
            shown.append(len(X))
            return np.arange(len(X)) + 100.0 * len(shown)

        def predict(self, X: NDArray[Any]) -> NDArray[Any]:
            return np.array(["no"] * len(X))

    one = Candidate("one", "One", Site(), Counting())
    given = passes(llava, batch_size=4).answered(bright_records(9), [one], "")["one"]
    assert shown == [4, 4, 1]
    assert given.decisions is not None
    assert given.decisions.tolist() == [100, 101, 102, 103, 200, 201, 202, 203, 300]
    assert given.labels == ["no"] * 9


def test_labels_are_plain_text_that_json_can_keep(llava: VLM) -> None:
    kept = passes(llava).kept(bright_records(6), "")
    single = Candidate("one", "One", Site(), SingleNeuron(3, ("no", "yes")))
    given = given_by(single, kept)
    assert {type(label) for label in given.labels} == {str}
    assert given.labels == ["yes" if x > 0 else "no" for x in kept.at(Site()).flat[:, 3]]
