from __future__ import annotations

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
