"""Which classifier a question is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from starlette.exceptions import HTTPException

from serve.engines import BRIGHT, ShadeEngine
from superneurons.errors import DataError
from superneurons.serve.jobs import Fitted
from superneurons.serve.routing import Routing, bare


class _Twins(ShadeEngine):
    @property
    def classifiers(self) -> Mapping[str, Fitted]:
        return {"bright": BRIGHT, "again": replace(BRIGHT, name="again")}


def test_names() -> None:
    routing = Routing(ShadeEngine())
    assert routing.named(None) is routing.named("tiny/shades") is None
    assert routing.named("bright") == BRIGHT
    with pytest.raises(HTTPException) as caught:
        routing.named("dim")
    assert caught.value.status_code == 404
    assert "bright, choices, shade" in str(caught.value.__cause__)


def test_white_space_does_not_matter_and_case_does() -> None:
    routing = Routing(ShadeEngine())
    assert routing.matching(" Is  it\nbright? ", lambda _fitted: True) == BRIGHT
    assert routing.matching("is it bright?", lambda _fitted: True) is None
    assert routing.matching("Is it bright?", lambda _fitted: False) is None
    assert bare("\t") == ""


def test_two_classifiers_with_one_question_have_to_be_named() -> None:
    with pytest.raises(DataError, match="bright, again answer this question"):
        Routing(_Twins()).matching("Is it bright?", lambda _fitted: True)


def test_the_base_model_is_asked_only_where_it_is() -> None:
    Routing(ShadeEngine()).base()
    with pytest.raises(DataError, match="is not kept"):
        Routing(ShadeEngine(base=False)).base()
