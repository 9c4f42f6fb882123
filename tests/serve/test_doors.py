"""Limits that make no sense."""

from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.serve.doors import Doors


def test_all_limits_are_checked_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Doors(max_body=0, deadline_s=-1, fetch_s=float("nan"), token=" ")
    named = [problem.where for problem in caught.value.problems]
    assert named == ["max_body", "deadline_s", "fetch_s", "token"]


@pytest.mark.parametrize("token", ["", "two\nlines", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(DataError, match="token"):
        Doors(token=token)
