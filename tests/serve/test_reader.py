"""From the bytes of a body to what is asked and its pictures."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from serve.asking import b64, picture
from superneurons.errors import DataError
from superneurons.serve.asked import Plan
from superneurons.serve.doors import Doors
from superneurons.serve.fetch import Fetcher
from superneurons.serve.limits import Budget
from superneurons.serve.reader import Reader, validated
from superneurons.serve.schemas import Asset


def read(sources: dict[str, str], **more: Any) -> Any:
    reader = Reader(**{"doors": Doors()} | more)
    try:
        with Budget(10**9).share() as share:
            body = json.dumps(sources).encode()
            plan = reader.read(body, lambda found: Plan([], found, lambda _: {}), share)
            return asyncio.run(plan)[1]
    finally:
        reader.close()


def test_pictures_keep_their_names() -> None:
    found = read({"a": b64(picture(1)), "b": f"data:image/png;base64,{b64(picture(2))}"})
    assert {name: image.getpixel((0, 0)) for name, image in found.items()} == {
        "a": (1, 1, 1),
        "b": (2, 2, 2),
    }


def test_all_bad_pictures_are_named_in_order() -> None:
    with pytest.raises(DataError, match="3 of 4 pictures") as caught:
        read({"a": "?", "b": b64(), "c": "http://127.0.0.1/", "d": "AAAA"})
    assert [problem.where for problem in caught.value.problems] == ["a", "c", "d"]
    assert "fetches nothing" in caught.value.problems[1].what


def test_bad_and_unreachable_pictures_are_named_together() -> None:
    with pytest.raises(DataError) as caught:
        read({"far": "http://127.0.0.1:1/", "bad": "?"}, doors=Doors(remote_pictures=True))
    assert [problem.where for problem in caught.value.problems] == ["far", "bad"]


def test_a_fetcher_is_of_no_use_where_nothing_is_fetched() -> None:
    fetcher = Fetcher(100, 1.0, allowed=lambda _: True)
    with pytest.raises(DataError, match="1 of 1"):
        read({"far": "http://127.0.0.1:1/"}, fetcher=fetcher)


def test_bodies_are_understood_off_the_event_loop() -> None:
    threads = []

    def understand(_body: Any) -> Plan:
        threads.append(threading.current_thread().name)
        return Plan([], {}, lambda _: {})

    reader = Reader(Doors())
    with Budget(1).share() as share:
        asyncio.run(reader.read(b"{}", understand, share))
    reader.close()
    assert threads[0].startswith("decode")


def test_all_that_is_wrong_with_a_body_is_listed() -> None:
    with pytest.raises(DataError) as caught:
        validated(Asset, {"data_base64": 1, "url": "x" * 5000, "also": None})
    assert [problem.where for problem in caught.value.problems] == ["data_base64", "url", "also"]
    assert not any("x" * 100 in problem.what for problem in caught.value.problems)
