from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from superneurons.errors import ModelError
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords, generate_answers, label_words, parse_answer
from superneurons.vlm.model import VLM
from tiny_tokenizers import byte_level, sentencepiece

TOKENIZER = byte_level(["abc", "XY", "bc"])


def test_all_spellings_of_a_label_count(vlm: VLM) -> None:
    words = label_words(vlm.processor, ["no", "yes"])
    tokens = vlm.processor.tokenizer.convert_ids_to_tokens
    assert [set(tokens(list(ids))) for ids in words.tokens] == [{"n", "N"}, {"y", "Y"}]


def test_labels_that_start_alike_are_refused(vlm: VLM) -> None:
    with pytest.raises(ModelError, match="cannot tell these labels apart") as caught:
        label_words(vlm.processor, ["cat", "cow", "dog"])
    assert [problem.where for problem in caught.value.problems] == ["label 'cat'", "label 'cow'"]


def words_of(tokenizer: Any, labels: list[str]) -> LabelWords:
    return label_words(SimpleNamespace(tokenizer=tokenizer), labels)


def pieces(tokenizer: Any, words: LabelWords) -> list[list[str]]:
    return [tokenizer.convert_ids_to_tokens(list(ids)) for ids in words.tokens]


def test_spellings_that_several_labels_share_are_left_out() -> None:
    tokenizer = byte_level(["black", "blue", "Black", "Blue", "BL"])
    words = words_of(tokenizer, ["black", "blue"])
    assert pieces(tokenizer, words) == [
        ["black", "Ġblack", "Black", "ĠBlack"],
        ["blue", "Ġblue", "Blue", "ĠBlue"],
    ]
    assert words.as_dict()["black"] == {
        "whole": ["black", " black", "Black", " Black"],
        "first_token_only": [],
    }


def test_spellings_that_only_begin_with_their_token_are_told_apart() -> None:
    tokenizer = byte_level(["yes", "no", "No", "Rect", "rect"])
    words = words_of(tokenizer, ["no", "yes", "rectangle"])
    assert words.as_dict()["yes"] == {
        "whole": ["yes", " yes"],
        "first_token_only": ["Yes", "YES"],  # " Yes" begins with a space, and tells nothing
    }
    assert words.as_dict()["no"]["whole"] == ["no", " no", "No", " No"]
    assert words.whole == (True, True, False)
    assert pieces(tokenizer, words)[2] == ["rect", "Ġrect", "Rect", "ĠRect", "R"]
    assert all(len(set(ids)) == len(ids) for ids in words.tokens)


def test_a_label_that_is_no_single_token_is_said_once() -> None:
    tokenizer = byte_level(["yes", "no", "stop", "yield"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words_of(tokenizer, ["no", "yes"])
    with pytest.warns(DataWarning, match="'stop sign', 'yield sign' is a single") as caught:
        words = words_of(tokenizer, ["stop", "stop sign", "yield sign"][1:])
    assert len(caught) == 1
    assert words.whole == (False, False)
    assert pieces(tokenizer, words)[0][:2] == ["stop", "Ġstop"]


@pytest.mark.parametrize("prepend", ["always", "first", "never"])
def test_with_sentencepiece_the_answer_begins_in_the_middle_of_a_text(prepend: str) -> None:
    tokenizer = sentencepiece(["▁yes", "yes", "▁no", "no", "▁Yes", "Yes", "▁No"], prepend)
    words = words_of(tokenizer, ["no", "yes"])
    assert pieces(tokenizer, words) == [
        ["no", "▁no", "<0x4E>", "▁No"],
        ["yes", "▁yes", "Yes", "▁Yes", "<0x59>"],
    ]
    assert words.as_dict()["no"] == {
        "whole": ["no", " no", " No"],
        "first_token_only": ["No", "NO"],
    }


@pytest.mark.parametrize("prepend", ["always", "first"])
def test_a_word_alone_is_not_what_an_answer_begins_with(prepend: str) -> None:
    """Alone, a space is put before it: the bare piece would be missed."""
    tokenizer = sentencepiece(["▁yes", "yes", "▁no", "no"], prepend)
    assert tokenizer.tokenize("yes") == ["▁yes"]
    assert tokenizer.tokenize("assistant\nyes")[-1] == "yes"
    assert "yes" in pieces(tokenizer, words_of(tokenizer, ["no", "yes"]))[1]


def test_a_lone_space_tells_nothing() -> None:
    tokenizer = sentencepiece(["yes", "no"])
    assert tokenizer.tokenize("\n yes")[-2:] == ["▁", "yes"]
    words = words_of(tokenizer, ["no", "yes"])
    assert [text for own in words.as_dict().values() for text in own["whole"]] == ["no", "yes"]
    assert not any("▁" in own for own in pieces(tokenizer, words))


def test_letters_beyond_the_vocabulary_are_their_bytes() -> None:
    for tokenizer in (byte_level(["yes"]), sentencepiece(["▁yes"])):
        with pytest.raises(ModelError, match="cannot tell these labels apart"):
            words_of(tokenizer, ["猫", "狗"])  # both begin with the byte E7
        with pytest.warns(DataWarning, match="'猫', 'ё'"):
            assert words_of(tokenizer, ["猫", "ё"]).whole == (False, False)


def test_what_is_unknown_to_the_tokenizer_says_nothing() -> None:
    tokenizer = sentencepiece(["▁yes", "yes"], byte_fallback=False)
    with pytest.raises(ModelError) as caught:
        words_of(tokenizer, ["yes", "猫", ""])
    assert [problem.where for problem in caught.value.problems] == ["label '猫'", "label ''"]
    assert all("no token" in problem.what for problem in caught.value.problems)


@given(label=st.text(alphabet="abcXYZé猫 -1", min_size=1, max_size=6))
def test_the_tokens_of_a_label_are_what_its_spellings_begin_with(label: str) -> None:
    tokenizer = TOKENIZER
    try:
        words = words_of(tokenizer, [label])
    except ModelError:
        assert label.strip() == "" or label[0] == " "
        return
    for spelling in words.spellings[0]:
        ids = tokenizer("\n" + spelling.text)["input_ids"][1:]
        assert (ids[0], len(ids) == 1) == (spelling.token, spelling.whole)
        assert spelling.text.strip().lower() == label.strip().lower()
    assert words.whole == (any(spelling.whole for spelling in words.spellings[0]),)


def test_pooling_adds_up_probabilities() -> None:
    words = LabelWords(("a", "b"), ((0, 1), (3,)))
    logits = torch.tensor([[0.5, -1.0, 9.0, 2.0]])
    pooled = words.pool(logits)
    assert pooled[0].tolist() == pytest.approx(
        [torch.log(torch.exp(torch.tensor(0.5)) + torch.exp(torch.tensor(-1.0))).item(), 2.0]
    )


def test_generation_starts_with_the_most_likely_first_token(
    vlm: VLM, records: list[Record]
) -> None:
    inputs = vlm.encode(records[:2], padding_side="left")
    logits = vlm.last_states(inputs, logits=True).logits
    assert logits is not None
    texts = generate_answers(vlm, inputs, max_new_tokens=1)
    decode = vlm.processor.tokenizer.batch_decode
    assert texts == decode(logits.argmax(dim=1)[:, None], skip_special_tokens=True)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Yes.", "yes"),
        ("no, I do not", "no"),
        ("I notice nothing", None),
        ("yes-no", "yes"),
        ("", None),
        ("The answer is NO", "no"),
        ("not", None),
    ],
)
def test_only_whole_words_are_answers(text: str, label: str | None) -> None:
    assert parse_answer(text, ["no", "yes"]) == label


def test_the_longer_of_two_labels_wins_at_the_same_place() -> None:
    assert parse_answer("dark red", ["dark", "dark red"]) == "dark red"


@given(label=st.sampled_from(["no", "yes"]), tail=st.text(alphabet="abc .,!", max_size=12))
def test_an_answer_that_starts_with_its_label_is_understood(label: str, tail: str) -> None:
    assert parse_answer(f"{label} {tail}", ["no", "yes"]) == label


@pytest.mark.parametrize(
    ("text", "labels", "label"),
    [
        ("I would say C++.", ["C", "C++"], "C++"),
        ("It is (b).", ["(a)", "(b)"], "(b)"),
        ("Sie ist GRÜN!", ["grün", "rot"], "grün"),
        ("a stop sign, not a yield sign", ["stop sign", "yield sign"], "stop sign"),
        ("3.5 metres", ["3", "3.5"], "3.5"),
        ("both yes and no", ["no", "yes"], "yes"),
        ("left-hand", ["left", "left-hand"], "left-hand"),
    ],
)
def test_labels_with_spaces_and_marks_are_found(text: str, labels: list[str], label: str) -> None:
    assert parse_answer(text, labels) == label
    assert parse_answer(text, labels[::-1]) == label


@given(logits=st.lists(st.floats(-20, 20), min_size=6, max_size=6), shift=st.floats(-5, 5))
def test_pooling_follows_a_shift_and_never_falls_below_the_best_spelling(
    logits: list[float], shift: float
) -> None:
    words = LabelWords(("a", "b"), ((0, 2, 4), (1, 3)))
    row = torch.tensor([logits], dtype=torch.float64)
    pooled = words.pool(row)
    assert pooled[0, 0] >= row[0, [0, 2, 4]].max()
    assert pooled[0, 1] <= row[0, [1, 3]].max() + torch.log(torch.tensor(2.0)) + 1e-9
    torch.testing.assert_close(words.pool(row + shift), pooled + shift)


def test_label_words_come_in_the_order_asked(vlm: VLM, records: list[Record]) -> None:
    logits = vlm.last_states(vlm.encode(records[:2]), logits=True).logits
    assert logits is not None
    one, other = (label_words(vlm.processor, labels) for labels in (["no", "yes"], ["yes", "no"]))
    assert one.labels == other.labels[::-1]
    assert torch.equal(one.pool(logits), other.pool(logits).flip(1))


def test_generation_of_a_batch_is_that_of_each(vlm: VLM, records: list[Record]) -> None:
    together = generate_answers(vlm, vlm.encode(records[:3], padding_side="left"))
    alone = [
        generate_answers(vlm, vlm.encode([record], padding_side="left"))[0]
        for record in records[:3]
    ]
    assert together == alone
