"""From the bytes of a body to what is asked and its pictures."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from serve.asking import b64, picture
from superneurons.errors import BusyError, DataError
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


class _Pictures(BaseHTTPRequestHandler):
    """Serves pictures as grey as their path says."""

    def do_GET(self) -> None:
        data = picture(int(self.path.strip("/")))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def test_pictures_that_are_sent_and_fetched_keep_their_names() -> None:
    with HTTPServer(("127.0.0.1", 0), _Pictures) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        found = read(
            {"a": f"{at}/7", "b": b64(picture(8)), "c": f"{at}/9"},
            doors=Doors(remote_pictures=True),
            fetcher=Fetcher(10_000, 5.0, allowed=lambda _: True),
        )
        server.shutdown()
    assert {name: image.getpixel((0, 0))[0] for name, image in found.items()} == {
        "a": 7, "b": 8, "c": 9,
    }  # fmt: skip


def test_memory_of_pictures_is_taken_before_they_are_decoded() -> None:
    reader, budget = Reader(Doors()), Budget(1000)
    sources = {"a": b64(picture(size=(10, 10))), "b": b64(picture(size=(30, 30)))}
    body = json.dumps(sources).encode()
    try:
        with budget.share() as share:
            with pytest.raises(BusyError):
                asyncio.run(reader.read(body, lambda found: Plan([], found, lambda _: {}), share))
            assert budget.taken == 300
        assert budget.taken == 0
    finally:
        reader.close()


def test_a_reader_that_was_closed_reads_again() -> None:
    reader = Reader(Doors(threads=1))
    for _ in range(2):
        with Budget(1).share() as share:
            plan, found = asyncio.run(
                reader.read(b"{}", lambda _: Plan([], {}, lambda _: {}), share)
            )
        assert (plan.sources, found) == ({}, {})
        reader.close()


def test_no_more_than_a_hundred_problems_are_listed_and_their_places_are_short() -> None:
    with pytest.raises(DataError) as caught:
        validated(Asset, {f"{number:03}" + "x" * 500: 1 for number in range(150)})
    assert len(caught.value.problems) == 100
    assert max(len(problem.where) for problem in caught.value.problems) == 80


def test_a_body_that_is_no_object_is_said_to_be_none() -> None:
    with pytest.raises(DataError) as caught:
        validated(Asset, [1])
    assert [problem.where for problem in caught.value.problems] == ["body"]
