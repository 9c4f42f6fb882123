from __future__ import annotations

from pathlib import Path

import pytest

from pictures import bright_records
from superneurons.errors import ModelError
from superneurons.shortcut.base_model import OnBaseModel
from superneurons.vlm.model import VLM
from superneurons.vlm.preparation import Preparation
from superneurons.vlm.prompt import Prompt, PromptOrder


class Estimator(OnBaseModel):
    def __init__(self, model: VLM | str) -> None:
        self.model = model
        self.prompt_order: PromptOrder = "question-first"
        self.prompt_template: str | None = None
        self.resolution = None
        self.dtype, self.device, self.revision = "float32", "cpu", None
        self.trust_remote_code = False
        self.preparation: Preparation = "auto"


def test_a_model_is_opened_once_and_as_deep_as_needed(llava_path: Path) -> None:
    estimator = Estimator(str(llava_path))
    shallow = estimator.open(2)
    assert shallow.depth == 2
    assert estimator.vlm is shallow
    whole = estimator.whole()
    assert whole.depth == whole.n_layers == 4
    assert estimator.vlm is estimator.whole() is whole
    assert estimator.prompt == Prompt("question-first")


def test_it_asks_by_its_order_or_its_template(llava: VLM) -> None:
    estimator = Estimator(llava)
    estimator.prompt_template = "{pictures}{question}"
    with pytest.raises(ModelError, match="beside a template"):
        _ = estimator.prompt
    estimator.prompt_order = "picture-first"
    assert estimator.prompt == Prompt(template="{pictures}{question}")


def test_an_open_model_is_taken_as_it_is(llava: VLM) -> None:
    estimator = Estimator(llava)
    assert estimator.vlm is estimator.open(1) is estimator.whole() is llava


def test_pictures_are_prepared_where_it_was_asked_for(llava_path: Path) -> None:
    estimator = Estimator(str(llava_path))
    assert estimator.open(1).preparation == "auto"
    estimator.preparation = "jpeg"
    estimator.resolution = 16
    assert estimator.open(1).preparation == estimator.vlm.preparation == "jpeg"
    assert estimator.vlm.truncated(1).preparation == "jpeg"
    estimator.preparation = "jpg"  # type: ignore[assignment]
    with pytest.raises(ModelError, match="Unknown preparation 'jpg'"):
        estimator.open(1)


def test_more_layers_than_there_are_cannot_be_opened(llava_path: Path) -> None:
    with pytest.raises(ModelError):
        Estimator(str(llava_path)).open(9)


def test_pictures_are_seen_at_the_resolution_that_was_asked_for(llava: VLM) -> None:
    estimator = Estimator(llava)
    estimator.resolution = 16
    small = estimator.vlm
    assert small is estimator.vlm  # made once
    assert small.model is not llava.model
    records = bright_records(1)
    tokens = [len(vlm.encode(records).tensors["input_ids"][0]) for vlm in (small, llava)]
    assert tokens[0] < tokens[1]
    assert estimator.whole() is llava
    estimator.forget()
    assert estimator.vlm is not small
