from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from superneurons.amplify.language import LanguageModel
from superneurons.amplify.tasks import TextTask, read_tasks, text_tasks, unrelated_texts
from superneurons.errors import DataError
from tiny_sweeps import tiny_task


def row(**other: object) -> str:
    given = {"task": "t", "field": "f", "prompt": "1+1=", "target": "2", "control": "1|1="}
    return json.dumps(given | other)


def test_the_embedded_tasks_are_twelve_of_four_fields_with_forty_prompts_each() -> None:
    tasks = text_tasks()
    assert Counter(task.field for task in tasks) == dict.fromkeys(
        ["arithmetic", "coding", "poetry", "logic"], 3
    )
    for task in tasks:
        assert len(task) == len(set(task.prompts)) == len(task.controls) == 40


def test_a_control_prompt_ends_as_its_prompt_does_but_is_another() -> None:
    for task in text_tasks():
        for prompt, control in zip(task.prompts, task.controls, strict=True):
            assert prompt != control
            if task.name != "brackets":
                assert prompt.split()[-1][-1:] == control.split()[-1][-1:]


@pytest.mark.parametrize(("name", "sign"), [("addition", "+"), ("subtraction", "-")])
def test_sums_are_right_and_those_of_controls_are_not(name: str, sign: str) -> None:
    (task,) = text_tasks([name])
    for prompt, target, control in zip(task.prompts, task.targets, task.controls, strict=True):
        for part in (prompt + target).split(", "):
            left, right = part.split("=")
            a, b = map(int, left.split(sign))
            assert (a + b if sign == "+" else a - b) == int(right)
        for part in control.split(", ")[:2]:
            left, right = part.split("=")
            a, b = map(int, left.split("|"))
            assert (a + b if sign == "+" else a - b) != int(right)


def test_orders_and_syllogisms_follow_from_their_prompts() -> None:
    order, syllogisms = text_tasks(["order", "syllogisms"])
    for prompt, target in zip(order.prompts, order.targets, strict=True):
        first, second, asked = prompt.split(". ")
        pairs = [(s.split()[0], s.split()[-1]) for s in (first, second)]
        above, below = {a for a, _ in pairs}, {b for _, b in pairs}
        highest = asked.split()[1] in ("tallest", "oldest", "fastest", "strongest", "richest")
        assert {target.strip()} == (above - below if highest else below - above)
    for prompt, target, control in zip(
        syllogisms.prompts, syllogisms.targets, syllogisms.controls, strict=True
    ):
        *facts, case, _ = prompt.split(". ")
        kind = case.split()[-1]
        said = next(
            f for f in facts if f.split()[1] in (kind, kind + "s", "mice"[: 4 * (kind == "mouse")])
        )
        assert said.endswith(target)
        other = control.split(". ")[2].split()[-1]
        assert not any(f.split()[1] in (other, other + "s") for f in facts)


def test_unrelated_texts_are_no_prompts_and_end_within_a_sentence() -> None:
    texts = unrelated_texts()
    assert len(texts) >= 20
    assert not set(texts) & {prompt for task in text_tasks() for prompt in task.prompts}
    assert all(text == text.strip() and text[-1].isalpha() for text in texts)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DataError, match="addition") as caught:
        text_tasks(["addition", "chess", "cooking"])
    assert [problem.what for problem in caught.value.problems] == ["'chess'", "'cooking'"]


def test_tokens_are_those_that_continue_the_prompts(model: LanguageModel) -> None:
    task = tiny_task()
    found = task.tokens(model)
    assert found.shape == (len(task),)
    assert [model.tokenizer.decode([token]) for token in found] == list(task.targets)


def test_targets_of_several_tokens_are_refused_all_at_once(llama: LanguageModel) -> None:
    task = TextTask("words", "f", ("a", "b", "c"), ("x", "yes", ""), ("d", "e", "f"))
    with pytest.raises(DataError, match="not a single token") as caught:
        task.tokens(llama)
    assert [str(problem) for problem in caught.value.problems] == [
        "words: prompt 1 ('b'): its target 'yes' is 3 tokens",
        "words: prompt 2 ('c'): its target '' is 0 tokens",
    ]


def test_halves_share_no_prompt_and_follow_the_seed() -> None:
    given = tiny_task(n=10)
    task = TextTask("t", "f", given.prompts * 2, given.targets * 2, given.controls * 2)
    choosing, reporting = task.halves(3)
    assert sorted([*choosing, *reporting]) == list(range(20))
    assert len(choosing) == len(reporting) == 10
    assert not {task.prompts[i] for i in choosing} & {task.prompts[i] for i in reporting}
    np.testing.assert_array_equal(choosing, task.halves(3)[0])
    assert any(not np.array_equal(choosing, task.halves(seed)[0]) for seed in range(4, 8))


def test_too_few_prompts_have_no_halves() -> None:
    with pytest.raises(DataError, match="3 prompts that differ"):
        tiny_task(n=3).halves()


def test_some_prompts_take_their_controls_along() -> None:
    task = tiny_task()
    some = task.some([3, 1])
    assert some.prompts == (task.prompts[3], task.prompts[1])
    assert some.targets == (task.targets[3], task.targets[1])
    assert some.controls == (task.controls[3], task.controls[1])
    shared = TextTask("t", "f", ("a", "b"), ("c", "d"), ("one",))
    assert shared.some([1]).controls == ("one",)


def test_a_task_without_controls_prompts_or_targets_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        TextTask("t", "f", (), ("x",), ())
    assert [problem.where for problem in caught.value.problems] == [
        "t: prompts", "t: control prompts", "t: targets",
    ]  # fmt: skip


def test_tasks_are_read_by_name_in_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    lines = [row(task="b"), row(task="a"), "", row(task="b", prompt="2+2=", target="4")]
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    one, other = read_tasks(path)
    assert (one.name, one.prompts, one.targets) == ("b", ("1+1=", "2+2="), ("2", "4"))
    assert (other.name, other.controls) == ("a", ("1|1=",))


def test_every_bad_line_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join([row(), "{", "[1]", row(target=2, control=" ")]))
    with pytest.raises(DataError) as caught:
        read_tasks(path)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["mine.jsonl:2", "mine.jsonl:3", "mine.jsonl:4", "mine.jsonl:4"]
    assert "'target' is 2" in caught.value.problems[2].what


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_tasks(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="There are no prompts"):
        read_tasks(tmp_path / "empty.jsonl")


@pytest.mark.demo
def test_every_target_is_a_single_token_of_the_embedded_language_model() -> None:
    from superneurons.amplify.sentiment import sentiment_task
    from superneurons.demo.language_model import find_language_model, read_language_model

    tokenizer = read_language_model(find_language_model()).tokenizer
    model = SimpleNamespace(tokenizer=tokenizer, name="demo")
    for task in [*text_tasks(), sentiment_task()]:
        assert task.tokens(model).shape == (40,)  # type: ignore[arg-type]


def test_controls_that_do_not_stand_beside_prompts_stay_as_they_are() -> None:
    task = TextTask("t", "f", ("a", "b", "c"), ("1", "2", "3"), ("x", "y"))
    some = task.some(np.array([2, 2, 0]))
    assert (some.prompts, some.targets) == (("c", "c", "a"), ("3", "3", "1"))
    assert (some.name, some.field, some.controls) == ("t", "f", ("x", "y"))


@pytest.mark.parametrize("n", [4, 5, 8, 9])
def test_the_larger_half_is_reported(n: int) -> None:
    choosing, reporting = tiny_task(n=n).halves()
    assert (len(choosing), len(reporting)) == (n // 2, n - n // 2)
    assert (choosing.dtype, reporting.dtype) == (np.int64, np.int64)
    assert sorted(choosing.tolist()) == choosing.tolist()


def test_halves_go_by_the_prompts_and_not_by_their_order() -> None:
    task = tiny_task(n=9)
    order = [4, 8, 0, 2, 6, 1, 3, 5, 7]
    for seed in (0, 1):
        one = {task.prompts[row] for row in task.halves(seed)[0]}
        mixed = task.some(order)
        assert {mixed.prompts[row] for row in mixed.halves(seed)[0]} == one


def test_a_target_that_merges_with_its_prompt_is_refused() -> None:
    """Such as a byte pair that spans the end of the prompt."""

    class Pairs:
        def __call__(self, text: str) -> dict[str, list[int]]:
            return {"input_ids": [ord(c) for c in text.replace("ab", "Z")]}

    model = SimpleNamespace(tokenizer=Pairs(), name="pairs")
    good = TextTask("t", "f", ("xa", "xb"), ("c", "a"), ("y",))
    assert good.tokens(model).tolist() == [ord("c"), ord("a")]  # type: ignore[arg-type]
    bad = TextTask("t", "f", ("xa", "xb"), ("b", "ab"), ("y",))
    with pytest.raises(DataError, match="of 'pairs'") as caught:
        bad.tokens(model)  # type: ignore[arg-type]
    assert [str(problem) for problem in caught.value.problems] == [
        "t: prompt 0 ('xa'): its target 'b' merges with the prompt",
    ]


def test_one_name_in_two_fields_is_two_tasks(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join([row(field="g"), row(), row(field="g", prompt="3+3=")]))
    assert [(t.name, t.field, len(t)) for t in read_tasks(path)] == [("t", "g", 2), ("t", "f", 1)]


def test_embedded_tasks_come_in_the_order_asked_for() -> None:
    names = [task.name for task in text_tasks()]
    assert len(set(names)) == len(names) == 12
    assert [task.name for task in text_tasks(names[::-1])] == names[::-1]
    assert text_tasks([]) == []


def test_every_missing_field_of_a_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"task": "t"}\n')
    with pytest.raises(DataError) as caught:
        read_tasks(path)
    assert [problem.what for problem in caught.value.problems] == [
        f"{key!r} is None, no text" for key in ("field", "prompt", "target", "control")
    ]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read") as unread:
        read_tasks(path)
    assert unread.value.where == str(path)
