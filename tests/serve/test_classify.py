"""``/classify``, as vLLM has it."""

from __future__ import annotations

import pytest

from serve.asking import asking, chatted, picture
from serve.engines import ShadeEngine
from superneurons.serve.messages_schemas import ClassifyAnswer


@pytest.mark.parametrize(("level", "label"), [(20, "no"), (230, "yes")])
def test_the_answer_has_the_shape_of_vllm(level: int, label: str) -> None:
    with asking() as client:
        answer = client.post("/classify", json=chatted(picture(level))).json()
    assert set(answer) == {"id", "object", "created", "model", "data", "usage", "superneurons"}
    assert answer["id"].startswith("classify-")
    assert (answer["object"], answer["model"]) == ("list", "bright")
    (row,) = answer["data"]
    assert set(row) == {"index", "label", "probs", "num_classes"}
    assert row["label"] == label
    assert row["index"] == ["no", "yes"].index(label)
    assert row["num_classes"] == len(row["probs"]) == 2
    assert row["probs"][row["index"]] == max(row["probs"])
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == 21
    ClassifyAnswer.model_validate(answer, strict=True)


def test_who_is_asked_by_model_question_or_options() -> None:
    engine = ShadeEngine()
    asked = [
        chatted(model="shade", text="How bright is it?"),
        chatted(model=None, text="Is it bright?"),
        chatted(model="choices", text="What is it?", options=["a dog", "a cat"]),
        chatted(model="tiny/shades", text="What is it?", options=["a dog", "a cat"]),
    ]
    with asking(engine) as client:
        answers = [client.post("/classify", json=body).json() for body in asked]
    assert [one["superneurons"]["classifier"] for one in answers] == [
        "shade", "bright", "choices", None,
    ]  # fmt: skip
    assert [one["model"] for one in answers] == ["shade", "bright", "choices", "tiny/shades"]
    assert engine.jobs[2].question == "What is it?"
    assert engine.jobs[2].options == ("a dog", "a cat")
    assert engine.jobs[3].question == "What is it?\nA) a dog\nB) a cat\nAnswer with the letter."
    assert answers[3]["data"][0]["label"] in ("a dog", "a cat")
