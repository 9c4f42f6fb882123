"""Whether the process lives, and whether it takes questions."""

from __future__ import annotations

from serve.asking import asking, systemone
from serve.engines import ShadeEngine


def test_what_stops_lives_and_is_not_ready() -> None:
    engine = ShadeEngine()
    with asking(engine) as client:
        paths = ("/health", "/health/ready", "/health/live")
        assert [client.get(path).status_code for path in paths] == [200, 200, 200]
        assert engine.drain(1.0)
        answers = [client.get(path) for path in paths]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert answers[0].headers["retry-after"] == "1"
        refused = client.post("/v1/systemone", json=systemone())
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["connection"] == "close"


def test_a_stuck_model_is_neither_ready_nor_alive() -> None:
    engine = ShadeEngine()
    engine.stuck = True
    with asking(engine) as client:
        paths = ("/health", "/health/ready", "/health/live")
        answers = [client.get(path) for path in paths]
        assert [answer.status_code for answer in answers] == [503, 503, 503]
        assert "start another" in answers[2].json()["error"]["mend"]
        assert client.post("/v1/systemone", json=systemone()).status_code == 503
        assert client.get("/metrics").status_code == 200


def test_metrics_are_text() -> None:
    with asking() as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "superneurons_engine_queued 0.0" in answer.text
