"""What is served."""

from __future__ import annotations

import pytest

from serve.asking import asking
from serve.engines import BRIGHT, ShadeEngine
from superneurons.serve.messages_schemas import Models


@pytest.mark.parametrize("base", [True, False])
def test_classifiers_and_the_base_model_are_listed(base: bool) -> None:
    with asking(ShadeEngine(base=base)) as client:
        answer = client.get("/v1/models").json()
    Models.model_validate(answer)
    cards = {card["id"]: card["superneurons"] for card in answer["data"]}
    assert list(cards) == ["bright", "shade", "choices", *(["tiny/shades"] if base else [])]
    assert cards["bright"] == {
        "question": BRIGHT.question,
        "labels": ["no", "yes"],
        "exit_layer": 2,
        "n_layers": 6,
        "threshold": 0.6,
        "about": {"base_model": "tiny/shades"},
    }
    assert not base or cards["tiny/shades"] is None
