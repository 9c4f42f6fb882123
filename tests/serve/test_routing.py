"""Which classifier a question is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from starlette.exceptions import HTTPException

from serve.engines import BRIGHT, CHOICES, ShadeEngine
from superneurons.errors import DataError
from superneurons.serve.errors import error_response
from superneurons.serve.jobs import Fitted
from superneurons.serve.routing import Routing, bare, public_name


class _Several(ShadeEngine):
    """Serves other classifiers on another base model."""

    def __init__(self, fitted: Mapping[str, Fitted], base: str = "tiny/shades") -> None:
        super().__init__()
        self._fitted, self._name = fitted, base

    @property
    def classifiers(self) -> Mapping[str, Fitted]:
        return self._fitted

    @property
    def base_model(self) -> str:
        return self._name


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("/data/me/llava", "llava"), ("./llava", "llava"), ("./models/llava", "llava"),
        ("../llava", "llava"), ("~/llava", "llava"), ("models/of/me/llava/", "llava"),
        (".cache/llava", "llava"), ("demo", "demo"), ("org/llava", "org/llava"),
        ("org/llava.v2", "org/llava.v2"),
    ],
)  # fmt: skip
def test_clients_are_not_told_where_a_model_lies(model: str, shown: str) -> None:
    assert public_name(model) == shown
    routing = Routing(_Several({"bright": BRIGHT}, model))
    assert routing.base_model == shown
    assert routing.named(shown) is None


def test_names() -> None:
    routing = Routing(ShadeEngine())
    assert routing.named(None) is routing.named("tiny/shades") is None
    assert routing.named("bright") == BRIGHT
    with pytest.raises(HTTPException) as caught:
        routing.named("dim")
    assert caught.value.status_code == 404
    assert b"bright, choices, shade" in bytes(error_response(caught.value).body)


def test_a_classifier_that_is_called_as_the_base_model_comes_first() -> None:
    routing = Routing(_Several({"tiny": replace(BRIGHT, name="tiny")}, base="tiny"))
    assert routing.named("tiny") == replace(BRIGHT, name="tiny")


def test_white_space_does_not_matter_and_case_does() -> None:
    routing = Routing(ShadeEngine())
    assert routing.matching(" Is  it\nbright? ", lambda _fitted: True) == BRIGHT
    assert routing.matching("is it bright?", lambda _fitted: True) is None
    assert routing.matching("Is it bright?", lambda _fitted: False) is None
    assert bare("\t") == ""


def test_two_classifiers_with_one_question_have_to_be_named() -> None:
    twins = {"bright": BRIGHT, "again": replace(BRIGHT, name="again")}
    with pytest.raises(DataError, match="bright, again answer this question"):
        Routing(_Several(twins)).matching("Is it bright?", lambda _fitted: True)


def test_the_base_model_is_asked_only_where_it_is() -> None:
    Routing(ShadeEngine()).base()
    with pytest.raises(DataError, match="is not kept"):
        Routing(ShadeEngine(base=False)).base()


def test_a_classifier_with_answers_of_its_own_comes_first() -> None:
    routing = Routing(ShadeEngine())
    routing.classifiers |= {"any": replace(CHOICES, name="any", question="Is it bright?")}
    both = Routing(_Several(routing.classifiers))
    assert both.matching("Is it bright?", lambda _fitted: True) == BRIGHT
    found = both.matching("Is it bright?", lambda fitted: not fitted.labels)
    assert found is not None
    assert found.name == "any"


def test_where_the_model_lies_is_not_told() -> None:
    engine = _Several({"bright": BRIGHT}, "/secret/place/llava")
    routing = Routing(engine)
    assert routing.base_model == "llava"
    assert routing.named("llava") is None
    with pytest.raises(HTTPException) as caught:
        routing.named("/secret/place/llava")
    body = bytes(error_response(caught.value).body).decode()
    assert "Use one of: bright, llava" in body
    assert "secret/place" not in body.replace("'/secret/place/llava'", "")
