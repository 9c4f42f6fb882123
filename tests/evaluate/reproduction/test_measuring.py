from __future__ import annotations

from dataclasses import replace

import pytest

from pictures import bright_records
from superneurons.errors import MismatchError
from superneurons.evaluate.reproduction.measuring import measured_on, refuse_other
from superneurons.evaluate.reproduction.questions import questions_of
from superneurons.evaluate.reproduction.reproduced import Measured
from superneurons.evaluate.reproduction.settings import Settings
from superneurons.evaluate.rivals import base_task
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
