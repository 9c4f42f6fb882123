"""Typed questions: what is answered by whom, and that it looks as ``transformers serve`` has it."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serve.asking import asking, b64, picture, systemone
from serve.engines import ShadeEngine
from superneurons.serve.schemas import SystemOneAnswer

ONE = "/v1/systemone"
QUESTIONS: dict[str, dict[str, Any]] = {
    "a": {"type": "noul", "instructions": "Is it bright?"},
    "b": {"type": "choice", "instructions": "How?", "criteria": {"dark": "no light", "grey": None}},
    "c": {"type": "score", "instructions": "How?", "criteria": ["bad", "fair", "good"]},
    "d": {"type": "noul", "instructions": "Is it?", "criteria": {"true": "yes", "false": None}},
}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with asking() as client:
        yield client


def shape(value: Any) -> Any:
    """Types all the way down; a list or a dict of numbers by its first."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__


@pytest.fixture(scope="module")
def theirs(llava_path: Path) -> Any:
    """The handler of ``transformers serve`` around a tiny random model."""
    pytest.importorskip("transformers.decision")
    from transformers.utils import import_utils

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The openai package, which it asks for, is of no use to this handler.
        patch.setattr(import_utils, "is_serve_available", lambda: True)
        from transformers.cli.serving.model_manager import ModelManager
        from transformers.cli.serving.systemone import SystemOneHandler
        from transformers.cli.serving.utils import GenerationState
        from transformers.decision import DecisionConfig

        manager = ModelManager(device="cpu", force_model=str(llava_path), model_timeout=-1)
        # Its words have one token for each byte, and labels have to be single tokens.
        config = DecisionConfig(labels={"noul": ["Y", "N"]})
        yield SystemOneHandler(manager, GenerationState(), decision_config=config)


def asked_of_theirs(handler: Any, body: dict[str, Any]) -> tuple[int, Any]:
    from fastapi import HTTPException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = asyncio.run(handler.handle_request(dict(body), "id"))
        except HTTPException as error:
            return error.status_code, error.detail
    return 200, json.loads(answer.body)


def test_the_same_request_gets_an_answer_of_the_same_shape(
    client: TestClient, theirs: Any, llava_path: Path
) -> None:
    body = systemone(questions=QUESTIONS)
    status, answer = asked_of_theirs(theirs, body | {"model": str(llava_path)})
    assert status == 200
    minimal = client.post(ONE, json=body, headers={"Prefer": "return=minimal"})
    assert shape(minimal.json()) == shape(answer)
    whole = client.post(ONE, json=body).json()
    assert shape({k: v for k, v in whole.items() if k != "superneurons"}) == shape(answer)


@pytest.mark.parametrize(
    "changed",
    [
        {"extra": 1},
        {"questions": {}},
        {"questions": {"q": {"type": "essay"}}},
        {"questions": {"q": {"type": "choice", "criteria": {}}}},
        {"questions": {"q": {"type": "noul", "also": 1}}},
        {"questions": {"q": {"type": "score", "criteria": {"a": None}}}},
        {"assets": {str(i): {"data_base64": ""} for i in range(5)}},
        {"state": 3},
    ],
)
def test_what_theirs_refuses_is_refused(
    client: TestClient, theirs: Any, llava_path: Path, changed: dict[str, Any]
) -> None:
    body = systemone(**changed)
    assert asked_of_theirs(theirs, body | {"model": str(llava_path)})[0] == 422
    assert client.post(ONE, json=body).status_code == 422


def test_confidence_is_that_of_transformers(client: TestClient) -> None:
    template_utils = pytest.importorskip("transformers.decision.template_utils")
    from transformers.decision import DecisionConfig

    body = systemone(questions={key: QUESTIONS[key] for key in "bc"})
    answers = client.post(ONE, json=body).json()["answers"]
    for question in template_utils.parse_questions(body["questions"], DecisionConfig()):
        answer = answers[question.name]
        theirs = question.answer(list(answer["probabilities"].values()))
        assert answer["confidence"] == pytest.approx(theirs["confidence"])
        assert answer.get("score") == pytest.approx(theirs.get("score"))


def test_each_question_goes_to_the_classifier_it_names_or_matches() -> None:
    questions = {
        "by question": {"type": "noul", "instructions": " Is it\n bright? "},
        "with its picture": {"type": "noul", "instructions": "<img-1> Is it bright?"},
        "shade": {"type": "choice", "criteria": {"pale": None, "grey": None, "dark": None}},
        "levels": {
            "type": "score",
            "instructions": "How bright is it?",
            "criteria": ["dark", "grey", "pale"],
        },
        "other options": {
            "type": "choice",
            "instructions": "Is it bright?",
            "criteria": {"rather": None, "hardly": None},
        },
        "other question": {"type": "noul", "instructions": "Is it a cat?"},
        "choices": {"type": "choice", "instructions": "What?", "criteria": {"a": None, "b": None}},
    }
    with asking() as client:
        told = client.post(ONE, json=systemone(questions=questions)).json()["superneurons"]
    assert {name: (one["classifier"], one["depth"]) for name, one in told.items()} == {
        "by question": ("bright", "exit"),
        "with its picture": ("bright", "exit"),
        "shade": ("shade", "exit"),
        "levels": ("shade", "exit"),
        "other options": (None, "base"),
        "other question": (None, "base"),
        "choices": ("choices", "exit"),
    }


def test_a_model_that_is_named_answers_all_questions(client: TestClient) -> None:
    both = {"x": {"type": "noul"}, "y": {"type": "choice", "criteria": {"no": None, "yes": None}}}
    answer = client.post(ONE, json=systemone(model="bright", questions=both)).json()
    assert {one["classifier"] for one in answer["superneurons"].values()} == {"bright"}
    assert answer["model"] == "bright"
    assert answer["answers"]["x"]["noul"] == answer["answers"]["y"]["probabilities"]["yes"]


def test_answers_are_of_the_picture(client: TestClient) -> None:
    for level, best in ((10, "dark"), (128, "grey"), (250, "pale")):
        question = {"type": "choice", "criteria": {"grey": None, "pale": None, "dark": None}}
        body = systemone(picture(level), questions={"shade": question})
        answer = client.post(ONE, json=body).json()["answers"]["shade"]
        assert answer["choice"] == best
        assert list(answer["probabilities"]) == ["grey", "pale", "dark"]
        assert max(answer["probabilities"], key=answer["probabilities"].get) == best


def test_each_question_is_about_the_pictures_it_mentions() -> None:
    engine = ShadeEngine()
    body = systemone(
        state="Look.",
        questions={
            "first": {"type": "noul", "instructions": "Is it like <b>?"},
            "both": {
                "type": "choice",
                "instructions": "Which?",
                "criteria": {"<b>": "", "<a>": ""},
            },
            "all": {"type": "noul", "instructions": "Is it bright?"},
        },
        assets={"<a>": {"data_base64": b64(picture(0))}, "<b>": {"data_base64": b64(picture(255))}},
    )
    with asking(engine) as client:
        assert client.post(ONE, json=body).status_code == 200
    levels = [[image.getpixel((0, 0))[0] for image in job.pictures] for job in engine.jobs]  # type: ignore[index]
    assert levels == [[255], [255, 0], [0, 255]]
    assert "Is it like the picture?" in str(engine.jobs[0].question)
    assert "A) picture 1" in str(engine.jobs[1].question)


def test_what_the_base_model_is_asked() -> None:
    engine = ShadeEngine()
    body = systemone(state={"photo": "<img-1>", "from": "shop"}, questions=QUESTIONS)
    with asking(engine) as client:
        client.post(ONE, json=body)
    assert [job.question for job in engine.jobs] == [
        None,
        '{"photo": "the picture", "from": "shop"}\n\nHow?\n'
        "A) dark: no light\nB) grey\nAnswer with the letter.",
        '{"photo": "the picture", "from": "shop"}\n\nHow?\n'
        "A) bad\nB) fair\nC) good\nAnswer with the letter.",
        '{"photo": "the picture", "from": "shop"}\n\nIs it?\n\nYes: yes\nAnswer yes or no.',
    ]
    assert [job.options for job in engine.jobs] == [
        None, ("A", "B"), ("A", "B", "C"), ("yes", "no"),
    ]  # fmt: skip


def test_without_the_base_model_other_questions_are_refused() -> None:
    with asking(ShadeEngine(base=False)) as client:
        refused = client.post(ONE, json=systemone(questions=QUESTIONS))
        assert client.post(ONE, json=systemone()).status_code == 200
    assert refused.status_code == 422
    assert [one["where"] for one in refused.json()["error"]["problems"]] == [
        "questions.b", "questions.c", "questions.d",
    ]  # fmt: skip


def test_votes_come_where_they_are_asked_for(client: TestClient) -> None:
    without = client.post(ONE, json=systemone()).json()["superneurons"]["q"]
    told = client.post(ONE + "?explain=true", json=systemone()).json()["superneurons"]["q"]
    assert "votes" not in without
    (vote,) = told["votes"]
    assert (vote["layer"], vote["index"], vote["label"]) == (2, 17, "yes")
    assert (told["layers"], told["n_layers"]) == (2, 6)


def test_the_answer_is_as_described(client: TestClient) -> None:
    answer = client.post(ONE + "?explain=true", json=systemone(questions=QUESTIONS))
    SystemOneAnswer.model_validate_json(answer.content, strict=True)
    assert answer.json()["usage"] == {"input_tokens": 4 * 21, "output_tokens": 0}


def test_the_model_may_be_left_out(client: TestClient) -> None:
    body = systemone()
    del body["model"]
    assert client.post(ONE, json=body).json()["model"] == "tiny/shades"
