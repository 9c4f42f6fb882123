from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from superneurons.errors import DataError, ModelError
from superneurons.shortcut.search_space import SearchSpace
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import ORDERS, Prompt


def test_kinds_of_pictures_have_no_positions() -> None:
    space = SearchSpace(kinds=("projector", "heads"), positions=("last_prompt", "image_max"))
    assert list(map(str, space.sites(only_pictures=True))) == [
        "projector", "heads", "heads@image_max",
    ]  # fmt: skip
    assert list(map(str, space.sites(only_pictures=False))) == ["heads", "heads@image_max"]


def test_the_model_as_it_is_comes_first(llava: VLM) -> None:
    assert list(SearchSpace().views(llava)) == [None]
    assert SearchSpace().views(llava)[None] is llava


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"kinds": ()}, "kinds: none given"),
        ({"orders": ("answer-first",)}, "'answer-first' is unknown"),
        ({"positions": ("first_generated",)}, "allows no early exit"),
        ({"kinds": ("residue",)}, "kinds: 'residue' is unknown; did you mean 'residual'?"),
        ({"positions": ("imgmean",)}, "positions: 'imgmean' is unknown; did you mean"),
        ({"max_layer": 0}, "max_layer: 0"),
        ({"resolutions": (64, 0)}, "resolutions: 0"),
        ({"template": "{question}"}, "{pictures} is there 0 times"),
    ],
)
def test_what_is_nowhere_is_refused(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as refused:
        SearchSpace(**parameters)
    assert said in str(refused.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DataError) as refused:
        SearchSpace(kinds=(), max_layer=-1, resolutions=(-5,), template="")
    assert len(refused.value.problems) == 5
    wrong: dict[str, Any] = {"kinds": ("x", "mlp"), "positions": ("y",), "orders": ("z",)}
    with pytest.raises(DataError) as refused:
        SearchSpace(**wrong)
    assert [problem.where for problem in refused.value.problems] == [*wrong]


def test_a_template_or_the_lack_of_one_leaves_one_order(llava: VLM) -> None:
    assert SearchSpace().prompts(llava) == tuple(Prompt(order) for order in ORDERS)
    assert SearchSpace(orders=ORDERS[1:]).prompts(llava) == (Prompt(ORDERS[1]),)
    template = "{question}{pictures}"
    assert SearchSpace(template=template).prompts(llava) == (Prompt(template=template),)
    tokenizer = SimpleNamespace(chat_template=None)
    bare = replace(llava, processor=SimpleNamespace(chat_template=None, tokenizer=tokenizer))
    assert SearchSpace().prompts(bare) == (Prompt(),)
    # What can't be asked at all is not passed over: asking says so.
    assert SearchSpace(orders=ORDERS[1:]).prompts(bare) == (Prompt(ORDERS[1]),)


def test_pictures_are_seen_smaller_and_the_own_size_is_no_other(
    llava: VLM, records: list[Record]
) -> None:
    own = llava.resolution
    step = own // 3
    views = SearchSpace(resolutions=(step, own, 2 * step)).views(llava)
    assert list(views) == [None, step, 2 * step]
    tokens = [view.encode(records[:1]).tensors["input_ids"].shape[1] for view in views.values()]
    assert tokens[1] < tokens[2] < tokens[0]


def test_resolutions_that_a_model_cannot_see_are_named_together(llava: VLM) -> None:
    own = llava.resolution
    with pytest.raises(ModelError) as refused:
        SearchSpace(resolutions=(own - 1, own // 3, own + 1)).views(llava)
    assert [problem.where for problem in refused.value.problems] == [
        f"{own - 1} pixels", f"{own + 1} pixels",
    ]  # fmt: skip
    assert "multiple of" in str(refused.value)
