"""What doors and engine hand each other: what is left out, and that both engines keep to it."""

from __future__ import annotations

import inspect
from concurrent.futures import Future
from dataclasses import FrozenInstanceError, fields

import pytest
from PIL import Image

from serve.engines import BRIGHT, CHOICES, ShadeEngine
from superneurons.serve.engine import ModelEngine
from superneurons.serve.jobs import Answer, Engine, Fitted, Job

PICTURE = (Image.new("RGB", (8, 8), (200, 200, 200)),)
MEMBERS = sorted(name for name in vars(Engine) if not name.startswith("_"))


def test_a_job_of_which_nothing_is_said_is_the_base_models_and_never_late() -> None:
    job = Job(PICTURE)
    assert (job.classifier, job.question, job.options, job.explain) == (None, None, None, False)
    assert job.deadline == float("inf")
    assert job.request is None


@pytest.mark.parametrize(
    "one", [Job(PICTURE), BRIGHT, Answer("yes", {"yes": 1.0}, 1.0, "exit", 2)], ids=["j", "f", "a"]
)
def test_what_crosses_threads_cannot_be_changed(one: object) -> None:
    name = fields(one)[0].name  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        setattr(one, name, None)


def test_two_classifiers_do_not_share_what_their_cards_say() -> None:
    one, other = Fitted("a", None, (), 1, 2), Fitted("b", None, (), 1, 2)
    assert one.about == {}
    assert one.about is not other.about
    assert one.threshold is None


@pytest.mark.parametrize("kind", [ShadeEngine, ModelEngine])
def test_engines_have_what_the_doors_know_of_them(kind: type) -> None:
    assert MEMBERS == [
        "asks_base", "base_model", "classifiers", "drain", "ready", "state", "stuck", "submit",
    ]  # fmt: skip
    for name in ("drain", "state", "submit"):
        wanted = inspect.signature(getattr(Engine, name))
        assert list(inspect.signature(getattr(kind, name)).parameters) == list(wanted.parameters)
    missing = [name for name in MEMBERS if not hasattr(kind, name)]
    assert missing in ([], ["stuck"]), "what is no property is set when it is made"


def test_an_answer_has_the_labels_in_the_order_of_the_classifier() -> None:
    engine = ShadeEngine()
    future = engine.submit(Job(PICTURE, "bright", explain=True))
    assert isinstance(future, Future)
    answer = future.result(10)
    assert list(answer.probabilities) == list(BRIGHT.labels)
    assert answer.confidence == answer.probabilities[answer.label]
    assert answer.label_mass is None
    assert [vote.label for vote in answer.votes] == [answer.label]
    own = engine.submit(Job(PICTURE, CHOICES.name, "What?", ("b", "a"))).result(10)
    assert (list(own.probabilities), own.votes) == (["b", "a"], ())
