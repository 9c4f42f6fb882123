from __future__ import annotations

import threading

from superneurons.serve.counters import Counters


def test_all_sums_are_there_from_the_start() -> None:
    state = Counters().state()
    assert {"answered", "refused", "expired", "cancelled", "failed", "worker_deaths"} <= set(state)
    assert set(state.values()) == {0.0}


def test_threads_that_count_at_once_lose_nothing() -> None:
    counters = Counters()

    def count() -> None:
        for _ in range(500):
            counters.add("answered")
            counters.add("questions", 3)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.state()["answered"] == 2000
    assert counters.state()["questions"] == 6000
