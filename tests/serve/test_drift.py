"""What is asked now, beside what was asked when a classifier was locked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from locks import locked
from serve.asking import asking, picture, systemone
from serve.engines import BRIGHT, CHOICES, SHADE, ShadeEngine
from superneurons.serve.drift import Drift
from superneurons.serve.figures import Figure
from superneurons.serve.jobs import Answer, Job
from superneurons.shortcut.lock import Locked, Share
from superneurons.shortcut.reference import EDGES, counted, psi

FITTED = {one.name: one for one in (BRIGHT, SHADE, CHOICES)}


def seen(levels: Sequence[int]) -> Locked:
    """A lock of answers to grey pictures of 8 × 8 pixels, as :func:`answered` gives them."""
    shares = [level / 255 for level in levels]
    sure = [max(share, 1 - share) for share in shares]
    reference = {
        "label": tuple(np.bincount([share > 0.5 for share in shares], minlength=2).tolist()),
        "confidence": tuple(counted("confidence", sure)),
        "brightness": tuple(counted("brightness", shares)),
        "side": tuple(counted("side", [8.0] * len(levels))),
        "aspect": tuple(counted("aspect", [1.0] * len(levels))),
    }
    n = len(levels)
    none = Share(0, n, float(n), (0.0, 1.0))
    return locked(reference=reference, threshold=0.0, escalated=none)


def answered(drift: Drift, levels: Sequence[int], size: tuple[int, int] = (8, 8)) -> None:
    for level in levels:
        share = level / 255
        label = "yes" if share > 0.5 else "no"
        shares = {"no": 1 - share, "yes": share}
        job = Job((Image.new("RGB", size, (level,) * 3),), "bright")
        drift("id", job, Answer(label, shares, max(shares.values()), "exit", 2))


def of(figures: Sequence[Figure], name: str, **labels: str) -> Any:
    found = [f.value for f in figures if f.name == name and labels.items() <= f.labels.items()]
    return found[0] if len(found) == 1 else found


def levels(rng: np.random.Generator, mean: float, n: int) -> list[int]:
    return np.clip(rng.normal(mean, 30, n), 0, 255).astype(int).tolist()


def test_answers_are_counted_in_bins() -> None:
    drift = Drift(FITTED, {})
    answered(drift, [10, 10, 250])
    found = drift.metrics()
    assert of(found, "seen", classifier="bright", of="label", bin="no") == 2
    assert of(found, "seen", classifier="bright", of="label", bin="yes") == 1
    assert of(found, "seen", classifier="bright", of="confidence", bin="0.95..0.99") == 3
    assert of(found, "seen", classifier="bright", of="brightness", bin="..0.1") == 2
    assert of(found, "seen", classifier="bright", of="brightness", bin="0.9..") == 1
    assert of(found, "seen", classifier="bright", of="side", bin="..64") == 3
    assert sum(of(found, "seen", classifier="shade")) == 0
    assert of(found, "psi") == [], "there is no lock to compare with"


def test_inputs_like_those_of_the_lock_are_no_drift_and_others_are() -> None:
    rng = np.random.default_rng(0)
    drift = Drift(FITTED, {"bright": seen(levels(rng, 150, 400))}, half_life=100)
    answered(drift, levels(rng, 150, 500))
    same = drift.metrics()
    for name in ("label", *EDGES):
        chance = of(same, "psi_by_chance", of=name)
        assert of(same, "psi", of=name) < max(3 * chance, 0.1), name
    answered(drift, levels(rng, 80, 500), size=(30, 10))
    other = drift.metrics()
    for name in ("label", "brightness", "aspect"):
        assert of(other, "psi", of=name) > 1, name
    assert of(other, "psi", of="side") < 0.1


def test_what_is_long_ago_is_forgotten_but_stays_counted() -> None:
    drift = Drift(FITTED, {"bright": seen([200] * 100)}, half_life=20)
    answered(drift, [200] * 300)
    answered(drift, [20] * 60)
    strayed = of(drift.metrics(), "psi", of="brightness")
    answered(drift, [200] * 300)
    found = drift.metrics()
    assert of(found, "psi", of="brightness") < of(found, "psi_by_chance", of="brightness") < strayed
    assert of(found, "seen", of="brightness", bin="..0.1", classifier="bright") == 60


def test_without_forgetting_the_index_is_that_of_all_counts() -> None:
    rng = np.random.default_rng(1)
    reference = seen(levels(rng, 120, 200))
    drift = Drift(FITTED, {"bright": reference}, half_life=1e12)
    now = levels(rng, 140, 150)
    answered(drift, now)
    expected = psi(reference.reference["brightness"], seen(now).reference["brightness"])
    assert of(drift.metrics(), "psi", of="brightness") == pytest.approx(expected, rel=1e-6)
    by_chance = of(drift.metrics(), "psi_by_chance", of="brightness")
    assert by_chance == pytest.approx(9 * (1 / 200 + 1 / 150), rel=1e-6)


def test_of_answers_that_go_on_only_their_number_is_compared() -> None:
    drift = Drift(FITTED, {"bright": locked()})  # 10 of 40 go on below 0.75
    sure, unsure = ({"no": 1 - p, "yes": p} for p in (0.9, 0.6))
    for _ in range(30):
        drift("id", Job((), "bright"), Answer("yes", sure, 0.9, "exit", 2))
    for depth in ("base", "exit", "remote"):
        drift("id", Job((), "bright"), Answer("no", unsure, 0.6, depth, 6))  # type: ignore[arg-type]
    drift("id", Job((), "bright"), Answer("no", sure, 0.99, "base", 6))
    found = drift.metrics()
    assert of(found, "seen", classifier="bright", of="given", bin="given") == 30
    assert of(found, "seen", classifier="bright", of="given", bin="goes on") == 4
    assert of(found, "seen", classifier="bright", of="label", bin="no") == 0
    assert sum(of(found, "seen", classifier="bright", of="confidence")) == 30
    assert 0 < of(found, "psi", of="given") < 0.2


def test_of_several_pictures_each_counts() -> None:
    drift = Drift(FITTED, {})
    two = (Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "white"))
    drift("id", Job(two, "bright"), Answer("yes", {"yes": 1.0}, 1.0, "exit", 2))
    found = drift.metrics()
    assert sum(of(found, "seen", classifier="bright", of="brightness")) == 2
    assert sum(of(found, "seen", classifier="bright", of="confidence")) == 1


def test_memory_does_not_grow_with_what_is_asked() -> None:
    drift = Drift(FITTED, {})
    for number in range(300):
        label = f"label {number}"
        job = Job((Image.new("RGB", (8, 8)),), ("choices", "bright", None, "other")[number % 4])
        drift(f"id {number}", job, Answer(label, {label: 1.0}, 1.0, "exit", 2))
    found = drift.metrics()
    drift(
        "id", Job((Image.new("RGB", (8, 8)),), "choices"), Answer("x", {"x": 1.0}, 1.0, "exit", 2)
    )
    assert len(drift.metrics()) == len(found)
    assert not any("label " in str(figure.labels) for figure in found)
    assert sum(of(found, "seen", classifier="choices", of="confidence")) == 75
    assert of(found, "seen", classifier="choices", of="label") == []


def test_threads_lose_no_count() -> None:
    drift = Drift(FITTED, {"bright": seen([100] * 10)})
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=answered, args=(drift, [128] * 200)) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            drift.metrics()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sum(of(drift.metrics(), "seen", classifier="bright", of="confidence")) == 800


def test_a_service_tells_it_in_its_metrics() -> None:
    engine = ShadeEngine()
    drift = Drift(engine.classifiers, {"bright": seen([200] * 50)})
    with asking(engine, observers=[drift], sources={"drift": drift.metrics}) as client:
        for _ in range(20):
            body = systemone(picture(10))
            assert client.post("/v1/systemone", json=body).status_code == 200
        text = client.get("/metrics").text
    values = {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("superneurons_drift_")
    }
    assert values['superneurons_drift_psi{classifier="bright",of="brightness"}'] > 1
    assert values['superneurons_drift_seen{bin="..0.1",classifier="bright",of="brightness"}'] == 20
