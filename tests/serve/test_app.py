"""The service as an application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from serve.asking import asking, systemone
from serve.engines import ShadeEngine
from superneurons.serve.app import create_app
from superneurons.serve.jobs import Answer, Job


def test_its_endpoints() -> None:
    app = create_app(ShadeEngine())
    found = {(path, way) for path, ways in app.openapi()["paths"].items() for way in ways}
    app.state.service.close()
    assert found >= {
        ("/v1/systemone", "post"),
        ("/classify", "post"),
        ("/v1/chat/completions", "post"),
        ("/v1/models", "get"),
        ("/health", "get"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
        ("/metrics", "get"),
    }


def test_no_page_of_others_is_loaded_or_allowed() -> None:
    """The framework's own pages load scripts from elsewhere; no other site may read answers."""
    with asking() as client:
        assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
        answer = client.post(
            "/v1/systemone", json=systemone(), headers={"Origin": "https://evil.example"}
        )
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_questions_in_the_address_are_refused_with_a_typed_body() -> None:
    with asking() as client:
        answer = client.post("/v1/systemone?explain=7", json=systemone())
    assert answer.status_code == 422
    assert answer.json()["error"]["problems"][0]["where"] == "query.explain"


def test_with_a_promise_questions_are_refused_before_they_are_read() -> None:
    with asking(ShadeEngine(), promised=60.0) as client:
        assert client.post("/v1/systemone", json=systemone()).status_code == 200
        assert "superneurons_admission_refused 0.0" in client.get("/metrics").text
    with (
        asking(ShadeEngine(seconds=0.1), promised=1e-6) as client,
        ThreadPoolExecutor(4) as many,
    ):
        assert client.post("/v1/systemone", json=systemone()).status_code == 200  # too slow
        asked = [many.submit(client.post, "/v1/systemone", json=systemone()) for _ in range(8)]
        assert {each.result().status_code for each in asked} == {200, 429}
        assert client.get("/health").status_code == 200
        assert "superneurons_admission_refused 0.0" not in client.get("/metrics").text
    with asking(ShadeEngine()) as client:
        assert "superneurons_admission" not in client.get("/metrics").text


def test_observers_are_told_of_answers_and_of_nothing_else() -> None:
    seen: list[tuple[str, str | None, str]] = []

    def observe(name: str, job: Job, answer: Answer) -> None:
        seen.append((name, job.classifier, answer.label))

    with asking(ShadeEngine(), observers=[observe]) as client:
        client.post("/v1/systemone", json=systemone(), headers={"X-Request-Id": "mine"})
        client.post("/v1/systemone", json={})
    assert seen == [("mine", "bright", "yes")]


def test_it_says_which_version_it_is() -> None:
    app = create_app(ShadeEngine())
    app.state.service.close()
    assert app.openapi()["info"] == {"title": "superneurons", "version": version("superneurons")}
