from __future__ import annotations

import time

from superneurons.serve.batch_limit import BatchLimit


def test_half_of_what_did_not_fit_is_tried_from_then_on() -> None:
    limit = BatchLimit(16, cautious_for=60)
    assert limit.most == 16
    limit.too_many(16)
    assert limit.most == 8
    limit.too_many(3)
    assert limit.most == 1
    limit.too_many(1)
    assert limit.most == 1


def test_it_never_rises_because_a_large_batch_failed_late() -> None:
    limit = BatchLimit(16, cautious_for=60)
    limit.too_many(4)
    limit.too_many(16)
    assert limit.most == 2


def test_after_a_while_it_is_what_it_was() -> None:
    limit = BatchLimit(16, cautious_for=0.01)
    limit.too_many(16)
    time.sleep(0.02)
    assert limit.most == 16
