"""The service as an application."""

from __future__ import annotations

from serve.asking import asking, systemone
from serve.engines import ShadeEngine
from superneurons.serve.app import create_app


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
