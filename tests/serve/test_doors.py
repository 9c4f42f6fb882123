"""Limits that make no sense."""

from __future__ import annotations

import pytest

from superneurons.errors import DataError
from superneurons.serve.doors import Doors, hosts_of, is_loopback


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


def test_each_limit_has_to_be_above_zero() -> None:
    limits = ("max_body", "max_pixels", "max_bytes", "body_s", "deadline_s", "threads", "fetch_s")
    for name in limits:
        Doors(**{name: 1})
        for wrong in (0, -1):
            with pytest.raises(DataError) as caught:
                Doors(**{name: wrong})
            assert [problem.where for problem in caught.value.problems] == [name]
            assert str(wrong) in caught.value.problems[0].what


def test_nothing_is_fetched_and_everybody_let_in_unless_told() -> None:
    doors = Doors()
    assert (doors.remote_pictures, doors.token, doors.hosts) == (False, None, ())
    assert doors.max_body < doors.max_bytes


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
        ("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("localhost.evil", False),
        ("", False), ("128.0.0.1", False),
    ],
)  # fmt: skip
def test_only_this_machine_reaches_a_loopback_address(host: str, own: bool) -> None:
    assert is_loopback(host) == own
    named = hosts_of(host, ["Mine.Example"])
    assert "mine.example" in named
    assert ("localhost" in named) == own


def test_names_of_a_loopback_address_with_colons_stand_in_brackets() -> None:
    assert hosts_of("::1", []) == ("127.0.0.1", "[::1]", "localhost")
    assert "127.0.0.2" in hosts_of("127.0.0.2", [])
    assert "[127.0.0.2]" not in hosts_of("127.0.0.2", [])
