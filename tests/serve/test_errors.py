"""Errors as they leave the service."""

from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException

from superneurons.errors import (
    BusyError,
    DataError,
    DeadlineError,
    ModelError,
    Problem,
    ResourceError,
    ServiceError,
)
from superneurons.serve.errors import TYPES, error_response, refused
from superneurons.serve.schemas import ErrorBody


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (DataError("x"), 422, None),
        (BusyError("x", retry_after=0.2), 429, "1"),
        (BusyError("x", retry_after=2.1), 429, "3"),
        (BusyError("x"), 503, "1"),
        (DeadlineError("x"), 503, "1"),
        (ServiceError("x"), 503, "1"),
        (ResourceError("x"), 503, "1"),
        (MemoryError("/secret/place"), 503, "1"),
        (ModelError("x", where="/secret/place"), 500, None),
        (RuntimeError("/secret/place"), 500, None),
        (HTTPException(404), 404, None),
        (HTTPException(418, "odd"), 418, None),
        (refused(413, "x"), 413, None),
    ],
)
def test_each_error_has_its_status_and_one_form(
    error: Exception, status: int, again: str | None
) -> None:
    answer = error_response(error)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == again
    told = ErrorBody.model_validate_json(bytes(answer.body), strict=True).error
    assert told.type == TYPES.get(status, "error")
    assert "secret" not in bytes(answer.body).decode()


def test_what_where_mend_and_all_problems_are_told() -> None:
    error = refused(
        401, "No.", where="there", mend="So.", problems=(Problem("a", "b"),), headers={"X": "y"}
    )
    answer = error_response(error)
    assert answer.headers["x"] == "y"
    assert json.loads(bytes(answer.body)) == {
        "error": {
            "type": "unauthorised",
            "message": "No.",
            "where": "there",
            "mend": "So.",
            "problems": [{"where": "a", "what": "b"}],
        }
    }


def test_a_refusal_says_the_same_whatever_it_was_raised_from() -> None:
    with pytest.raises(HTTPException) as caught:
        raise refused(400, "x", where="here", mend="Do y.") from ValueError("z")
    body = json.loads(bytes(error_response(caught.value).body))["error"]
    assert (body["where"], body["mend"]) == ("here", "Do y.")
