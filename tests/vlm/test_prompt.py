from __future__ import annotations

import pytest

from superneurons.errors import ModelError
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


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
