from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from superneurons.errors import ModelError
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords, generate_answers, label_words, parse_answer
from superneurons.vlm.model import VLM


def test_all_spellings_of_a_label_count(vlm: VLM) -> None:
    words = label_words(vlm.processor, ["no", "yes"])
    tokens = vlm.processor.tokenizer.convert_ids_to_tokens
    assert [set(tokens(list(ids))) for ids in words.tokens] == [{"n", "N"}, {"y", "Y"}]


def test_labels_that_start_alike_are_refused(vlm: VLM) -> None:
    with pytest.raises(ModelError, match="cannot tell these labels apart") as caught:
        label_words(vlm.processor, ["cat", "cow", "dog"])
    assert [problem.where for problem in caught.value.problems] == ["label 'cat'", "label 'cow'"]


def test_spellings_that_several_labels_share_are_left_out() -> None:
    known: dict[str, int] = {}

    def tokenizer(text: str, **_: object) -> dict[str, list[int]]:
        """Know words, but spell capitals letter by letter: BLACK and BLUE start alike."""
        start = text[:2] if text.strip().isupper() else text
        return {"input_ids": [known.setdefault(start, len(known))]}

    words = label_words(SimpleNamespace(tokenizer=tokenizer), ["black", "blue"])
    names = {number: word for word, number in known.items()}
    assert [[names[token] for token in tokens] for tokens in words.tokens] == [
        ["black", " black", "Black", " Black"],
        ["blue", " blue", "Blue", " Blue"],
    ]


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
