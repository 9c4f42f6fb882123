from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from superneurons.probes.registry import READ_OUTS


@parametrize_with_checks([read_out() for read_out in READ_OUTS.values()])
def test_it_keeps_the_manners_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
