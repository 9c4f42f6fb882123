from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from superneurons.errors import MismatchError
from superneurons.shortcut.belonging import belongs_to, refuse_mismatch
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt
from tiny_models import save_llava


def test_a_model_is_its_own(vlm: VLM) -> None:
    for depth, head in ((0, False), (2, False), (4, True)):
        config = belongs_to(vlm, Prompt(), depth, head=head)
        refuse_mismatch(vlm, Prompt(), config, depth, head=head)


def test_only_what_runs_has_to_be_the_same(vlm: VLM) -> None:
    shallow = belongs_to(vlm, Prompt(), 2, head=False)
    refuse_mismatch(vlm.truncated(2), Prompt(), shallow, 2, head=False)
    with pytest.raises(MismatchError) as caught:
        refuse_mismatch(vlm.truncated(2), Prompt(), shallow, 3, head=False)
    assert [problem.where for problem in caught.value.problems] == ["base_model.layers"]


def test_all_that_differs_is_said(llava: VLM, tmp_path: Path) -> None:
    config = belongs_to(llava, Prompt(), 1, head=False)
    other = open_vlm(str(save_llava(tmp_path / "other", seed=1)), device="cpu")
    with pytest.raises(MismatchError) as caught:
        refuse_mismatch(other, Prompt("question-first"), config, 1, head=False)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["base_model.fingerprint", "prompt"]
    renamed = replace(llava, name="elsewhere")
    refuse_mismatch(renamed, Prompt(), config, 1, head=False)
