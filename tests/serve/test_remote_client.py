"""Another service, asked as ours is asked: here it is ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from PIL import Image

from serve.asking import asking
from serve.engines import BRIGHT, CHOICES, ShadeEngine
from superneurons.errors import DataError, ServiceError
from superneurons.serve.doors import Doors
from superneurons.serve.jobs import Answer, Job
from superneurons.serve.remote_client import RemoteClient

KNOWN = {"bright": BRIGHT, "choices": CHOICES}


def job(level: int = 230, **more: Any) -> Job:
    return Job((Image.new("RGB", (8, 8), (level,) * 3),), **{"classifier": "bright"} | more)


@pytest.fixture
def client() -> Iterator[RemoteClient]:
    """A client of a service in this process, which wants a token."""
    with asking(ShadeEngine(), Doors(token="t")) as inner:

        def answer(request: httpx.Request) -> httpx.Response:
            given = inner.post(
                request.url.path, content=request.content, headers=dict(request.headers)
            )
            return httpx.Response(given.status_code, content=given.content)

        transport = httpx.MockTransport(answer)
        made = RemoteClient(
            "https://far.example/", "tiny/shades", token="t", classifiers=KNOWN, transport=transport
        )
        yield made
        made.close()


@pytest.mark.parametrize(("level", "label"), [(10, "no"), (240, "yes")])
def test_a_classifiers_question_is_asked_and_answered(
    client: RemoteClient, level: int, label: str
) -> None:
    answer = client(job(level))
    assert (answer.label, answer.depth) == (label, "remote")
    assert list(answer.probabilities) == ["no", "yes"]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.confidence == answer.probabilities[label]
    assert answer.input_tokens == 21


def test_other_questions_bring_their_options(client: RemoteClient) -> None:
    asked = job(classifier=None, question="Which animal?", options=("cat", "dog"))
    assert set(client(asked).probabilities) == {"cat", "dog"}
    with pytest.raises(ServiceError, match="nothing to choose from"):
        client(job(classifier="choices"))


def answering(content: Callable[[httpx.Request], httpx.Response]) -> RemoteClient:
    return RemoteClient(
        "http://far.example/v1/systemone",
        "m",
        classifiers=KNOWN,
        transport=httpx.MockTransport(content),
    )


GOOD = {
    "type": "choice",
    "choice": "yes",
    "confidence": 0.8,
    "probabilities": {"yes": 0.9, "no": 0.1},
}


@pytest.mark.parametrize(
    "said",
    [
        b"no JSON",
        b"[]",
        b'{"answers": {}}',
        {"type": "noul", "noul": 0.5},
        GOOD | {"choice": "maybe"},
        GOOD | {"probabilities": {"yes": 1.0}},
        GOOD | {"probabilities": {"yes": 9.0, "no": 0.1}},
        GOOD | {"probabilities": {"yes": "all", "no": 0.1}},
        b"x" * 1_000_001,
    ],
)
def test_what_is_no_answer_is_an_error(said: Any) -> None:
    client = answering(
        lambda _: (
            httpx.Response(200, content=said)
            if isinstance(said, bytes)
            else httpx.Response(200, json={"answers": {"question": said}})
        )
    )
    with pytest.raises(ServiceError, match="gave no answer") as caught:
        client(job())
    assert caught.value.where == "http://far.example/v1/systemone"
    client.close()


@pytest.mark.parametrize("status", [302, 401, 429, 500])
def test_a_refusal_is_an_error(status: int) -> None:
    client = answering(lambda _: httpx.Response(status, headers={"Location": "http://127.0.0.1/"}))
    with pytest.raises(ServiceError):
        client(job())
    client.close()


def test_it_is_given_no_more_time_than_the_job_has() -> None:
    seen: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json={"answers": {"question": GOOD}})

    client = answering(answer)
    assert isinstance(client(job(deadline=time.monotonic() + 2)), Answer)
    assert 0 < seen[0] <= 2
    with pytest.raises(ServiceError, match="no time left"):
        client(job(deadline=time.monotonic() - 1))
    client.close()


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(DataError, match="no address of a service"):
        RemoteClient("file:///etc/passwd", "m")


@pytest.mark.parametrize(
    ("part", "pause", "said"), [(b" ", 0.02, "did not end within"), (b" " * 400_000, 0, "too long")]
)
def test_an_answer_without_an_end_is_given_up(part: bytes, pause: float, said: str) -> None:
    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(500):
                time.sleep(pause)
                yield part

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless()))
    far = RemoteClient(
        "https://far.example", "m", seconds=0.1, classifiers=KNOWN, transport=transport
    )
    with closing(far), pytest.raises(ServiceError, match=said):
        far(job())
