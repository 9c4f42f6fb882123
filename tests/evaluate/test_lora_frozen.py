from __future__ import annotations

import numpy as np
import pytest

from pictures import bright_records, shades
from superneurons.activations.capture import capture
from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.evaluate.lora_frozen import Frozen
from superneurons.evaluate.passes import silent
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt


def test_running_size_by_size_gives_what_one_run_gives(llava: VLM) -> None:
    records = bright_records(14)
    found = Frozen(llava, records, [4, 10], Prompt(), 3, 0, silent)
    whole = capture(llava, records, words=found.base.words)
    pool = found.contest.pools["direct"]
    np.testing.assert_allclose(
        pool.captured.at(Site()).activations.astype(float),
        whole.activations.astype(float), rtol=0.02, atol=0.02,
    )  # fmt: skip
    assert whole.label_logits is not None
    assert found.contest.logits is not None
    np.testing.assert_allclose(found.contest.logits, whole.label_logits, atol=1e-3)
    assert pool.parents.tolist() == list(range(14))
    assert list(found.spent) == [("direct", 4), ("direct", 10), ("direct", 14)]
    seconds = [spent.seconds for spent in found.spent.values()]
    assert seconds == sorted(seconds)


def test_what_asks_per_option_runs_apart(llava: VLM) -> None:
    records = shades(12)
    found = Frozen(llava, records, [6], Prompt(), 8, 0, silent)
    assert set(found.contest.pools) == {"direct", "unrolled"}
    assert len(found.contest.pools["unrolled"].captured) == 36
    assert found.contest.pools["unrolled"].parents.tolist() == np.repeat(range(12), 3).tolist()
    assert set(found.spent) == {(form, n) for form in ("direct", "unrolled") for n in (6, 12)}
    assert [entry.key for entry in found.entries] == ["super-neurons", "paper"]


def test_a_model_that_was_cut_off_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="gives no logits"):
        Frozen(llava.truncated(1), bright_records(8), [4], Prompt(), 8, 0, silent)
