from __future__ import annotations

from pathlib import Path

import pytest

from superneurons.errors import ModelError
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt
from tiny_models import save_llava


def test_the_order_decides_what_comes_first(vlm: VLM) -> None:
    picture = Prompt().render(vlm.processor, "Why?")
    question = Prompt("question-first").render(vlm.processor, "Why?")
    assert picture.index("image") < picture.index("Why?")
    assert question.index("Why?") < question.index("image")


def test_several_pictures_take_several_places(vlm: VLM) -> None:
    one, two = (Prompt().render(vlm.processor, "Why?", n) for n in (1, 2))
    assert two.count("image") == 2 * one.count("image")


def test_it_ends_where_the_answer_begins(vlm: VLM) -> None:
    assert Prompt().frame(vlm.processor).endswith("<|im_start|>assistant\n")
    assert "{question}" in Prompt().frame(vlm.processor)


def test_the_digest_follows_what_is_asked(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Prompt().digest(vlm.processor)
    assert before == Prompt().digest(vlm.processor)
    assert before != Prompt("question-first").digest(vlm.processor)
    template = vlm.processor.chat_template.replace("assistant", "helper")
    monkeypatch.setattr(vlm.processor, "chat_template", template)
    monkeypatch.setattr(vlm.processor.tokenizer, "chat_template", template)
    assert before != Prompt().digest(vlm.processor)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ModelError, match="'sideways'"):
        Prompt("sideways")  # type: ignore[arg-type]


def test_special_tokens_are_not_added_twice(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    template = "<s>" + vlm.processor.chat_template
    monkeypatch.setattr(vlm.processor, "chat_template", template)
    monkeypatch.setattr(vlm.processor.tokenizer, "chat_template", template)
    rendered = Prompt().render(vlm.processor, "Why?")
    from superneurons.vlm.prompt import adds_special_tokens

    assert not adds_special_tokens(vlm.processor, rendered)
    assert adds_special_tokens(vlm.processor, rendered.removeprefix("<s>"))


@pytest.mark.parametrize("question", ["{question}", "{{ 1 }}", "<b>?</b>", "Größe?\nZeile 2"])
def test_a_question_is_put_in_as_it_is(vlm: VLM, question: str) -> None:
    rendered = Prompt().render(vlm.processor, question)
    assert rendered == Prompt().frame(vlm.processor).replace("{question}", question)


def test_the_digest_is_that_of_the_prompt_and_not_of_the_weights(
    llava: VLM, tmp_path: Path
) -> None:
    other = open_vlm(str(save_llava(tmp_path / "other", seed=3, layers=2)), device="cpu")
    half = open_vlm(llava.name, device="cpu", dtype="float16")
    for order in ("picture-first", "question-first"):
        prompt = Prompt(order)  # type: ignore[arg-type]
        digest = prompt.digest(llava.processor)
        assert digest == prompt.digest(other.processor) == prompt.digest(half.processor)
        assert len(digest) == 64


def test_the_digest_follows_the_tokens(llava: VLM) -> None:
    changed = open_vlm(llava.name, device="cpu")
    changed.processor.tokenizer.add_tokens(["assistant"])
    assert Prompt().frame(changed.processor) == Prompt().frame(llava.processor)
    assert Prompt().digest(changed.processor) != Prompt().digest(llava.processor)
