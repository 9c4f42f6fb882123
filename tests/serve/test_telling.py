from __future__ import annotations

from dataclasses import replace

import pytest

from serve.engines import BRIGHT
from superneurons.serve.asked import Asked
from superneurons.serve.jobs import Answer, Vote
from superneurons.serve.telling import details, envelope

ASKED = Asked("q", BRIGHT, None, None, {"yes": "true", "no": "false"}, ("p",))
ANSWER = Answer(
    "yes", {"no": 0.2, "yes": 0.8}, 0.8, "deeper", 3, input_tokens=21, waited_ms=1.23456
)


def test_it_says_who_answered_in_the_words_of_the_request() -> None:
    told = details(ASKED, ANSWER)
    assert (told["classifier"], told["label"], told["probability"]) == ("bright", "true", 0.8)
    assert (told["depth"], told["layers"], told["n_layers"]) == ("deeper", 3, 6)
    assert told["waited_ms"] == 1.235
    assert "votes" not in told


def test_of_the_base_model_there_is_no_classifier() -> None:
    told = details(replace(ASKED, fitted=None), replace(ANSWER, label_mass=0.5))
    assert told["classifier"] is told["n_layers"] is None
    assert told["label_mass"] == 0.5


def test_votes_are_told_where_there_are_some() -> None:
    told = details(ASKED, replace(ANSWER, votes=(Vote(2, 17, 0.5, "yes"),)))
    assert told["votes"] == [{"layer": 2, "index": 17, "activation": 0.5, "label": "yes"}]


@pytest.mark.parametrize(
    ("model", "fitted", "named"),
    [("as-asked", BRIGHT, "as-asked"), (None, BRIGHT, "bright"), (None, None, "tiny")],
)
def test_an_envelope_names_the_model(model: str | None, fitted: object, named: str) -> None:
    asked = replace(ASKED, fitted=fitted)  # type: ignore[arg-type]
    found = [envelope("kind", "list", model, "tiny", asked, ANSWER) for _ in range(2)]
    assert {one["model"] for one in found} == {named}
    assert found[0]["usage"]["prompt_tokens"] == found[0]["usage"]["total_tokens"] == 21
    assert found[0]["superneurons"] == details(asked, ANSWER)
    assert found[0]["id"] != found[1]["id"]
    assert all(one["id"].startswith("kind-") for one in found)
