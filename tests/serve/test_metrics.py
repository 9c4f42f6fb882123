"""What ``/metrics`` says."""

from __future__ import annotations

from serve.asking import asking, chatted, systemone
from serve.engines import ShadeEngine
from superneurons.serve.figures import Figure
from superneurons.serve.jobs import Answer
from superneurons.serve.metrics import Metrics


def lines(text: str) -> dict[str, float]:
    """Each series and its value."""
    found = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in found}


def test_requests_answers_and_refusals_are_counted() -> None:
    asked = {"q": {"type": "noul", "instructions": "Is it?"}, "bright": {"type": "noul"}}
    with asking(ShadeEngine(), sources={"drift": lambda: {"psi bright": 0.25}}) as client:
        client.post("/v1/systemone", json=systemone(questions=asked))
        client.post("/v1/systemone", json={})
        client.post("/classify", json=chatted())
        client.get("/nowhere")
        found = lines(client.get("/metrics").text)
    requests = "superneurons_requests_total"
    assert found[f'{requests}{{route="/v1/systemone",status="200"}}'] == 1
    assert found[f'{requests}{{route="/v1/systemone",status="422"}}'] == 1
    assert found[f'{requests}{{route="/classify",status="200"}}'] == 1
    assert found[f'{requests}{{route="other",status="404"}}'] == 1
    assert found['superneurons_answers_total{classifier="bright",depth="exit"}'] == 2
    assert found['superneurons_answers_total{classifier="base model",depth="base"}'] == 1
    assert found['superneurons_request_seconds_count{route="/v1/systemone"}'] == 2
    assert found["superneurons_engine_answered"] == 3
    assert found["superneurons_drift_psi_bright"] == 0.25
    assert found["superneurons_doors_bytes_held"] == 0


def test_two_services_in_a_process_count_apart() -> None:
    one, other = Metrics({}), Metrics({})
    one.answered("bright", Answer("yes", {"yes": 1.0}, 1.0, "deeper", 4))
    key = 'superneurons_answers_total{classifier="bright",depth="deeper"}'
    assert lines(one.text().decode())[key] == 1
    assert key not in other.text().decode()


def test_numbers_with_labels_are_one_family() -> None:
    found = [Figure("psi", 0.5, {"classifier": 'a"b', "of": "label"}),
             Figure("psi", 0.25, {"classifier": "b", "of": "label"})]  # fmt: skip
    text = Metrics({"drift": lambda: found}).text().decode()
    assert text.count("# TYPE superneurons_drift_psi gauge") == 1
    assert lines(text)['superneurons_drift_psi{classifier="a\\"b",of="label"}'] == 0.5
    assert lines(text)['superneurons_drift_psi{classifier="b",of="label"}'] == 0.25
