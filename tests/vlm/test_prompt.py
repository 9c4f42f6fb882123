from __future__ import annotations

import doctest
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pictures import bright_records
from superneurons.errors import ModelError
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.search import search_shortcuts
from superneurons.shortcut.search_space import SearchSpace
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.prompt import Prompt, has_chat_template, workable_prompt
from superneurons.vlm.verify import require_verified
from tiny_models import save_llava

TEMPLATE = "USER: {pictures}\n{question} ASSISTANT:"


class Processor:
    """What a prompt wants of a processor, with Jinja templates rendered as transformers does."""

    def __init__(
        self, chat: Any = None, of_tokenizer: Any = None, image_token: Any = "<i>"
    ) -> None:
        from transformers import PreTrainedTokenizerFast

        from tiny_models import tokenizer

        self.chat_template = chat
        self.tokenizer: PreTrainedTokenizerFast = tokenizer("<i>")
        self.tokenizer.chat_template = of_tokenizer
        if image_token is not None:
            self.image_token = image_token

    def apply_chat_template(self, messages: Any, *, chat_template: Any, **options: Any) -> str:
        chosen = {"chat_template": chat_template or self.chat_template}
        return str(self.tokenizer.apply_chat_template(messages, **chosen, **options))


CHAT = (
    "{% for c in messages[0]['content'] %}"
    "{% if c['type'] == 'image' %}<i>{% else %}{{ c['text'] }}{% endif %}{% endfor %}!"
)


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


def test_the_digest_of_a_chat_template_is_what_artefacts_have_always_held(llava: VLM) -> None:
    frame = Prompt().frame(llava.processor, llava.family)
    hashed = f"{frame}\0{llava.processor.tokenizer(frame)['input_ids']}"
    expected = hashlib.sha256(hashed.encode()).hexdigest()
    assert Prompt().digest(llava.processor, llava.family) == expected


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


def test_a_template_is_all_that_is_asked(vlm: VLM) -> None:
    mark = vlm.family.picture_mark or vlm.processor.image_token
    prompt = Prompt(template=TEMPLATE)
    rendered = prompt.render(vlm.processor, "Why?", family=vlm.family)
    assert rendered == f"USER: {mark}\nWhy? ASSISTANT:"
    both = prompt.render(vlm.processor, "Why?", 2, family=vlm.family)
    assert both == f"USER: {mark}{mark}\nWhy? ASSISTANT:"
    assert prompt.frame(vlm.processor, vlm.family) == rendered.replace("Why?", "{question}")
    assert prompt.render(vlm.processor, "Why?", 0, family=vlm.family) == "USER: \nWhy? ASSISTANT:"


def test_a_template_reaches_the_model_with_special_tokens_once(vlm: VLM) -> None:
    record = bright_records(1)[0]
    bos = vlm.processor.tokenizer.bos_token
    plain = vlm.encode([record], Prompt(template="{pictures}: {question}"))
    begun = vlm.encode([record], Prompt(template=bos + "{pictures}: {question}"))
    adds = vlm.processor.tokenizer("a")["input_ids"][0] == vlm.processor.tokenizer.bos_token_id
    assert begun.tensors["input_ids"].shape[1] == plain.tensors["input_ids"].shape[1] + (not adds)
    ids = begun.tensors["input_ids"][0].tolist()
    assert ids.count(vlm.processor.tokenizer.bos_token_id) == 1
    states = vlm.last_states(plain).residual
    assert states.isfinite().all()
    assert not torch.equal(states, vlm.last_states(vlm.encode([record])).residual)


@pytest.mark.parametrize("first", ["{question}{pictures}", "{pictures}{question}"])
def test_a_template_says_what_comes_first(llava: VLM, first: str) -> None:
    prompt = Prompt(template=first)
    assert prompt.pictures_first == first.startswith("{pictures}")
    shown = prompt.render(llava.processor, "Why?").index("<image>")
    assert (shown == 0) == prompt.pictures_first
    assert Prompt().pictures_first
    assert not Prompt("question-first").pictures_first


@given(
    question=st.text(alphabet="{}pictures question$%\\n", max_size=30)
    | st.sampled_from(["{pictures}", "{question}", "{}", "{0}", "%s", "{{x}}", "\\1"]),
    around=st.text(alphabet="{}[]<>$ %a\n", max_size=12),
)
def test_braces_are_kept_and_questions_pass_as_they_are(question: str, around: str) -> None:
    prompt = Prompt(template=f"{around}\0{{pictures}}\0{{question}}\0{around}")
    rendered = prompt.render(Processor(), question, 2)
    assert rendered == f"{around}\0<i><i>\0{question}\0{around}"


@pytest.mark.parametrize(
    ("order", "template", "said"),
    [
        ("picture-first", "", {"{pictures} is there 0 times", "{question} is there 0 times"}),
        ("picture-first", "<image>{question}", {"{pictures} is there 0 times"}),
        ("picture-first", "{pictures}{{question}} {question}", {"{question} is there 2 times"}),
        ("question-first", TEMPLATE, {"'question-first' beside a template"}),
        (
            "sideways",
            "{pictures}{pictures}",
            {
                "'sideways' is unknown", "'sideways' beside a template",
                "{pictures} is there 2 times", "{question} is there 0 times",
            },
        ),
        ("picture-first", 3, {"3 is no text"}),
    ],
)  # fmt: skip
def test_everything_wrong_with_a_prompt_is_said_at_once(
    order: Any, template: Any, said: set[str]
) -> None:
    with pytest.raises(ModelError) as caught:
        Prompt(order, template)
    found = [problem.what.removesuffix(", not once") for problem in caught.value.problems]
    assert sorted(found) == sorted(said)
    assert "{pictures}" in str(caught.value.mend)


def test_the_mark_of_a_picture_in_a_template_is_refused(vlm: VLM) -> None:
    mark = vlm.family.picture_mark or vlm.processor.image_token
    prompt = Prompt(template=mark + TEMPLATE)
    with pytest.raises(ModelError, match="own mark for a picture") as caught:
        prompt.render(vlm.processor, "Why?", family=vlm.family)
    assert repr(mark) in caught.value.problems[0].what


def test_a_model_without_a_chat_template_is_asked_as_its_family_is(llava: VLM) -> None:
    processor = Processor()
    family = replace(llava.family, template="{pictures}answer {question}\n", picture_mark="<p>")
    assert not has_chat_template(processor)
    assert Prompt().render(processor, "Why?", 2, family=family) == "<p><p>answer Why?\n"
    assert Prompt().digest(processor, family) == Prompt(template=family.template).digest(
        processor, family
    )
    given = Prompt(template="{pictures}{question}")
    assert given.render(processor, "Why?", family=family) == "<p>Why?"
    with pytest.raises(ModelError, match="says what comes first") as caught:
        Prompt("question-first").render(processor, "Why?", family=family)
    assert "question-first" in str(caught.value.where)


def test_without_any_template_it_says_how_to_give_one(llava: VLM) -> None:
    for family in (None, replace(llava.family, template=None)):
        with pytest.raises(ModelError, match="no chat template") as caught:
            Prompt().render(Processor(), "Why?", family=family)
        assert "Prompt(template=" in str(caught.value.mend)
        assert "--prompt-template" in str(caught.value.mend)
    assert Prompt(template=TEMPLATE).render(Processor(), "Why?") == "USER: <i>\nWhy? ASSISTANT:"


def test_a_template_wants_to_know_what_stands_for_a_picture() -> None:
    with pytest.raises(ModelError, match="What stands for a picture"):
        Prompt(template=TEMPLATE).render(Processor(image_token=None), "Why?")


def test_a_chat_template_of_the_tokenizer_or_among_several_is_found() -> None:
    for processor in (
        Processor(CHAT),
        Processor(of_tokenizer=CHAT),
        Processor({"default": CHAT, "tools": "no"}),
        Processor(CHAT, of_tokenizer="other"),
    ):
        assert has_chat_template(processor)
        assert Prompt().render(processor, "Why?", 2) == "<i><i>Why?!"
        assert Prompt("question-first").render(processor, "Why?") == "Why?<i>!"
    assert not has_chat_template(Processor({"tools": CHAT}))


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        ("{{ messages[0]['content'] + '!' }}", "can only concatenate"),
        ("{{ raise_exception('only text') }}", "only text"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_chat_template_that_fails_is_explained(chat: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        Prompt().render(Processor(chat), "Why?")
    assert "--prompt-template" in str(caught.value.mend)


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        ("{{ messages[0]['content'] }}", ["shows '<i>' 0 times for 2 pictures"]),
        ("<i><i>", ["leaves out the question"]),
        ("", ["leaves out the question", "shows '<i>' 0 times for 2 pictures"]),
        (CHAT + CHAT, ["shows '<i>' 4 times for 2 pictures"]),
    ],
)
def test_a_chat_template_for_text_only_is_refused(chat: str, said: list[str]) -> None:
    processor = Processor(chat or "{# nothing #}")
    with pytest.raises(ModelError, match="takes no pictures") as caught:
        Prompt().render(processor, "Why?", 2)
    assert [problem.what for problem in caught.value.problems] == said


def test_prompts_can_be_compared_and_be_keys() -> None:
    assert Prompt(template=TEMPLATE) == Prompt(template=TEMPLATE)
    kept = {Prompt(): 1, Prompt("question-first"): 2, Prompt(template=TEMPLATE): 3}
    assert [kept[p] for p in (Prompt(template=TEMPLATE), Prompt("question-first"))] == [3, 2]
    assert Prompt(template="{pictures}{question}") not in kept


def test_the_digest_follows_the_template(vlm: VLM) -> None:
    templates = [TEMPLATE, TEMPLATE + " ", TEMPLATE.replace("{pictures}\n", "\n{pictures}")]
    prompts = [Prompt(), Prompt("question-first"), *(Prompt(template=one) for one in templates)]
    digests = [prompt.digest(vlm.processor, vlm.family) for prompt in prompts]
    assert len(set(digests)) == len(prompts)
    assert digests[2] == Prompt(template=TEMPLATE).digest(vlm.processor, vlm.family)


def test_the_digest_tells_templates_apart_that_differ_for_several_pictures_only() -> None:
    chat = CHAT.replace("<i>", "<i>\n")
    processor, prompt = Processor(chat), Prompt(template="{pictures}\n{question}!")
    assert prompt.frame(processor) == Prompt().frame(processor)
    assert prompt.render(processor, "?", 2) != Prompt().render(processor, "?", 2)
    assert prompt.digest(processor) != Prompt().digest(processor)


def test_a_model_can_be_run_whatever_it_lacks(llava: VLM) -> None:
    assert workable_prompt(Processor(CHAT)) == Prompt()
    assert workable_prompt(Processor(), replace(llava.family, template="{pictures}{question}")) == (
        Prompt()
    )
    for lacking in (Processor(), Processor("text only"), Processor("{% if %}")):
        prompt = workable_prompt(lacking)
        assert prompt.template is not None
        assert prompt.render(lacking, "Why?", 2) == "<i><i>\nWhy?"


def test_a_model_without_a_template_is_verified_and_asked_with_one_that_is_given(
    llava_path: Path, tmp_path: Path
) -> None:
    shutil.copytree(llava_path, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    config = tmp_path / "bare" / "tokenizer_config.json"
    kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "chat_template"}
    config.write_text(json.dumps(kept))
    bare = open_vlm(str(tmp_path / "bare"), device="cpu")
    require_verified(bare)
    records = bright_records(24)
    with pytest.raises(ModelError, match="no chat template"):
        SuperNeuronClassifier(bare).fit(records)
    fitted = SuperNeuronClassifier(bare, prompt_template=TEMPLATE).fit(records)
    assert fitted.score(bright_records(12, seed=1), [r.label for r in bright_records(12)]) > 0.6
    space = SearchSpace(max_layer=1, positions=("last_prompt",), kinds=("residual",))
    with pytest.raises(ModelError, match="no chat template"):
        search_shortcuts(bare, records, space, repeats=1)
    found = search_shortcuts(bare, records, replace(space, template=TEMPLATE), repeats=1)
    assert {point.template for point in found.points} == {TEMPLATE}


@pytest.mark.demo
def test_the_examples_of_the_page_on_prompts_run() -> None:
    page = Path(__file__).parents[2] / "docs" / "prompts.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 6) == (0, True)
