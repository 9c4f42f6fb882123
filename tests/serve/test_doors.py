"""Limits that make no sense."""

from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.serve.doors import Doors, hosts_of


def test_all_limits_are_checked_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Doors(max_body=0, deadline_s=-1, fetch_s=float("nan"), token=" ")
    named = [problem.where for problem in caught.value.problems]
    assert named == ["max_body", "deadline_s", "fetch_s", "token"]


@pytest.mark.parametrize("token", ["", "two\nlines", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(DataError, match="token"):
        Doors(token=token)


@pytest.mark.parametrize(("host", "name"), [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")])
def test_a_service_answers_to_the_address_that_it_listens_on(host: str, name: str) -> None:
    assert name in hosts_of(host, [])
