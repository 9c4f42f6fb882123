"""``/v1/chat/completions``: the label as a message."""

from __future__ import annotations

import math

import pytest

from serve.asking import asking, chatted, picture
from serve.engines import ShadeEngine
from superneurons.serve.messages_schemas import ChatAnswer

CHAT = "/v1/chat/completions"


def test_the_label_is_the_message() -> None:
    with asking() as client:
        answer = client.post(CHAT, json=chatted(picture(240), temperature=0.0, max_tokens=5)).json()
    ChatAnswer.model_validate(answer, strict=True)
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "yes", "refusal": None}
    assert (choice["finish_reason"], choice["logprobs"]) == ("stop", None)
    assert answer["usage"]["completion_tokens"] == 0


@pytest.mark.parametrize(("most", "options"), [(None, []), (2, ["grey", "pale"]), (20, None)])
def test_logprobs_are_those_of_the_options(most: int | None, options: list[str] | None) -> None:
    asked = chatted(picture(150), model="shade", logprobs=True, top_logprobs=most)
    with asking() as client:
        (said,) = client.post(CHAT, json=asked).json()["choices"][0]["logprobs"]["content"]
        row = client.post("/classify", json=chatted(picture(150), model="shade")).json()["data"][0]
    assert said["token"] == row["label"] == "grey"
    assert bytes(said["bytes"]).decode() == "grey"
    assert math.exp(said["logprob"]) == pytest.approx(max(row["probs"]))
    top = said["top_logprobs"]
    assert [one["token"] for one in top] == (options or ["grey", "pale", "dark"])[: len(top)]
    assert len(top) == min(most or 0, 3)
    assert sorted(top, key=lambda one: -one["logprob"]) == top


def test_a_system_message_is_for_the_base_model_only() -> None:
    engine = ShadeEngine()
    body = chatted(text="Is it bright?")
    body["messages"].insert(0, {"role": "system", "content": "You look at photos."})
    with asking(engine) as client:
        refused = client.post(CHAT, json=body)
        base = body | {"model": "tiny/shades", "options": ["yes", "perhaps"]}
        answered = client.post(CHAT, json=base)
    assert refused.status_code == 422
    assert "system" in refused.json()["error"]["problems"][0]["what"]
    assert answered.status_code == 200
    assert str(engine.jobs[0].question).startswith("You look at photos.\n\nIs it bright?")
