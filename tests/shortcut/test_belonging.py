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
    assert "this one asks" in caught.value.problems[1].what
    renamed = replace(llava, name="elsewhere")
    refuse_mismatch(renamed, Prompt(), config, 1, head=False)


def test_the_template_is_told_with_what_it_becomes(vlm: VLM) -> None:
    prompt = Prompt(template="{pictures} {question}")
    told = belongs_to(vlm, prompt, 1, head=False)["prompt"]
    assert told["template"] == prompt.template
    assert told["frame"] == prompt.frame(vlm.processor, vlm.family)
    assert told["sha256"] == prompt.digest(vlm.processor, vlm.family)
    assert belongs_to(vlm, Prompt(), 1, head=False)["prompt"]["template"] is None


def test_the_template_of_the_family_is_told_too(llava_path: Path) -> None:
    bare = open_vlm(str(llava_path), device="cpu")
    bare.processor.chat_template = bare.processor.tokenizer.chat_template = None
    bare = replace(bare, family=replace(bare.family, template="{pictures}{question}\n"))
    config = belongs_to(bare, Prompt(), 1, head=False)
    assert config["prompt"]["template"] == "{pictures}{question}\n"
    refuse_mismatch(bare, Prompt(), config, 1, head=False)
    changed = replace(bare, family=replace(bare.family, template="{pictures}{question}"))
    with pytest.raises(MismatchError, match="prompt"):
        refuse_mismatch(changed, Prompt(), config, 1, head=False)


def test_templates_that_differ_for_several_pictures_only_are_told_apart(llava: VLM) -> None:
    chat = Prompt().frame(llava.processor, llava.family)
    alike = Prompt(template=chat.replace("<image>", "{pictures}"))
    config = belongs_to(llava, Prompt(), 1, head=False)
    with pytest.raises(MismatchError, match="or of several pictures"):
        refuse_mismatch(llava, alike, config, 1, head=False)
