from __future__ import annotations

import numpy as np
import pytest

from pictures import bright_records
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.evaluate.passes import silent
from superneurons.evaluate.reproduction.candidates import Candidates
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
