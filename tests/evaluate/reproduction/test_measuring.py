from __future__ import annotations

from dataclasses import replace

import pytest

from pictures import bright_records, choices
from superneurons.errors import MismatchError
from superneurons.evaluate.reproduction.measuring import measured_on, refuse_other
from superneurons.evaluate.reproduction.questions import questions_of
from superneurons.evaluate.reproduction.reproduced import Measured
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.evaluate.rivals import base_task
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def measured(vlm: VLM, *, seed: int = 0, template: str | None = None) -> Measured:
    asked = questions_of(bright_records(12, seed), bright_records(6, seed=9), Settings("pope"))
    return measured_on(
        vlm, asked, base_task(vlm, asked.probe, asked.classes), Prompt(template=template)
    )


def test_it_says_on_what(llava: VLM) -> None:
    found = measured(llava)
    assert (found.family, found.layers, found.hidden_size) == ("LLaVA-1.5", 4, 32)
    assert (found.probing_questions, found.test_questions, found.test_records) == (12, 6, 6)
    assert {"python", "torch", "transformers", "superneurons"} <= set(found.versions)
    assert "Is it bright?" not in found.prompt
    assert found.classes == ("no", "yes")
    assert not found.unrolled


def test_the_same_is_the_same(llava: VLM) -> None:
    refuse_other(measured(llava), measured(llava))


def test_elsewhere_is_the_same_as_well(llava: VLM) -> None:
    before = measured(llava)
    moved = replace(before, name="elsewhere", device="cuda:0", versions={}, threads=64)
    refuse_other(moved, before)


def test_everything_that_differs_is_said(llava: VLM) -> None:
    before = replace(measured(llava, seed=1), fingerprint="0" * 64)
    now = measured(llava, template="{pictures}Q: {question} A:")
    with pytest.raises(MismatchError) as refused:
        refuse_other(before, now)
    places = [problem.where for problem in refused.value.problems]
    assert places == ["fingerprint", "prompt_sha256", "probing_sha256"]


def test_the_fingerprint_is_of_all_layers_and_of_the_head(llava: VLM) -> None:
    found = measured(llava).fingerprint
    assert found == fingerprint(llava, llava.n_layers, head=True)
    assert found not in {fingerprint(llava, k) for k in range(1, llava.n_layers + 1)}


def test_words_that_stand_for_the_answers_are_written_down_where_there_are_any(llava: VLM) -> None:
    asked = questions_of(bright_records(12), bright_records(6, seed=9), Settings("pope"))
    base = base_task(llava, asked.probe, asked.classes)
    assert base.words is not None
    found = measured_on(llava, asked, base, Prompt())
    assert found.label_words == base.words.as_dict()
    assert set(found.label_words) == {"no", "yes"}
    mute = replace(base, words=None, why_not="alike")
    assert measured_on(llava, asked, mute, Prompt()).label_words is None


def test_questions_are_told_apart_by_what_is_asked_and_answered(llava: VLM) -> None:
    plain = measured(llava)
    assert plain.probing_sha256 != plain.test_sha256
    other = measured(llava, seed=3)
    assert other.probing_sha256 != plain.probing_sha256
    assert other.test_sha256 == plain.test_sha256
    assert (plain.threads, plain.dtype, plain.name) == (1, "float32", llava.name)
    assert plain.prompt_sha256 == Prompt().digest(llava.processor, llava.family)


def test_options_of_each_record_are_many_questions(llava: VLM) -> None:
    asked = questions_of(choices(24), choices(6, seed=9), Settings("aokvqa"))
    base = base_task(llava, asked.probe, asked.classes)
    found = measured_on(llava, asked, base, Prompt())
    assert found.unrolled
    assert found.test_records == 6
    assert found.test_questions == sum(len(r.options or ()) for r in choices(6, seed=9))
    assert found.probing_questions == len(asked.probe)
