from __future__ import annotations

import json

import pytest

from pictures import bright_records
from superneurons.evaluate.setting import early_exits, setting_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def test_it_says_what_belongs_beside_a_figure(vlm: VLM) -> None:
    setting = json.loads(json.dumps(setting_of(vlm, bright_records(3), repeats=5, seed=2)))
    assert (setting["device"], setting["dtype"], setting["test_records"]) == ("cpu", "float32", 3)
    tokens = vlm.encode(bright_records(1)).tensors["attention_mask"].sum()
    assert setting["prompt_tokens"] == int(tokens)
    assert setting["timing"]["batch_size"] == 1
    assert setting["prompt"] == Prompt().frame(vlm.processor, vlm.family)
    worded = setting_of(vlm, bright_records(3), 5, 2, Prompt(template="{pictures}{question}"))
    assert worded["prompt"].endswith("{question}")
    assert worded["prompt_tokens"] < setting["prompt_tokens"]


def test_how_early_exits_ran_is_said_once_for_all_alike(llava: VLM) -> None:
    def fitted(**params: str) -> SuperNeuronClassifier:
        return SuperNeuronClassifier(llava, **params).fit(bright_records(24))  # type: ignore[arg-type]

    two = [fitted(), fitted(site="vision")]
    assert early_exits(two) == {
        "early_exits": {
            "path": "lean",
            "reason": "graphs need a CUDA device, and the model is on cpu",
        }
    }
    later = fitted(position="first_generated")
    off = fitted(acceleration="off")
    found = early_exits([*two, later, off])["early_exits"]
    assert found["path"] == "lean, off"
    assert found["reason"].endswith("; it was turned off")
    assert early_exits([later]) == {}


def test_a_pass_that_was_given_up_is_not_said_to_have_run(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = SuperNeuronClassifier(llava).fit(bright_records(24))
    leave = classifier.early_exit()

    def lacking(*_: object) -> None:
        raise NotImplementedError("no such operation")

    monkeypatch.setattr(leave, "_neurons", lacking)
    with pytest.warns(UserWarning, match="no such operation"):
        classifier.predict(bright_records(2))
    assert early_exits([classifier])["early_exits"]["path"] == "off"
