from __future__ import annotations

from typing import Any

import pytest

from superneurons.errors import DataError
from superneurons.serve.settings import EngineSettings


def test_what_it_takes_without_being_told() -> None:
    settings = EngineSettings()
    assert settings.max_batch > 1
    assert settings.max_queue > settings.max_batch
    assert 0 < settings.window < settings.max_wait
    assert settings.base is None
    assert not settings.thresholds


def test_all_limits_out_of_range_are_listed_at_once() -> None:
    with pytest.raises(DataError) as caught:
        EngineSettings(
            max_batch=0, window=-1, max_queue=0, max_wait=0, cache_bytes=-1, cautious_for=-1,
            thresholds={"dark": 1.5, "left": 0.5},
        )  # fmt: skip
    assert [problem.where for problem in caught.value.problems] == [
        "max_batch", "window", "max_queue", "max_wait", "cache_bytes", "cautious_for",
        "thresholds.dark",
    ]  # fmt: skip
    assert "1.5" in str(caught.value)


def test_the_smallest_service_is_allowed() -> None:
    smallest = EngineSettings(max_batch=1, window=0, max_queue=1, cache_bytes=0, cautious_for=0)
    assert (smallest.max_batch, smallest.window, smallest.cache_bytes) == (1, 0, 0)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("max_batch", 1, 0), ("window", 1.0, 1.001), ("window", 0.0, -0.001), ("max_queue", 1, 0),
        ("max_wait", 1e-9, 0.0), ("cache_bytes", 0, -1), ("cautious_for", 0.0, -0.1),
        ("stuck_after", 1e-9, 0.0),
    ],
)  # fmt: skip
def test_each_limit_ends_where_it_says(name: str, right: float, wrong: float) -> None:
    changed: dict[str, Any] = {name: right}
    assert getattr(EngineSettings(**changed), name) == right
    for value in (wrong, float("nan")):
        with pytest.raises(DataError) as caught:
            EngineSettings(**{name: value})
        assert [problem.where for problem in caught.value.problems] == [name]
        assert repr(value) in caught.value.problems[0].what


def test_thresholds_are_from_0_to_1() -> None:
    assert EngineSettings(thresholds={"a": 0.0, "b": 1.0}).thresholds == {"a": 0.0, "b": 1.0}
    with pytest.raises(DataError) as caught:
        EngineSettings(thresholds={"a": -0.01, "b": 0.5, "c": 1.01, "d": float("nan")})
    assert [problem.where for problem in caught.value.problems] == [
        "thresholds.a", "thresholds.c", "thresholds.d",
    ]  # fmt: skip
