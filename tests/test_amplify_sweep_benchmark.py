"""The sweep's benchmark, at a size where it proves nothing but still has to be right."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import amplify_sweep

from superneurons.amplify.language import open_language_model
from tiny_language_models import save_llama
from tiny_sweeps import tiny_task


def test_both_sides_read_the_same_of_every_setting(tmp_path: Path) -> None:
    model = open_language_model(str(save_llama(tmp_path / "llama")), device="cpu")
    settings = amplify_sweep.settings_of(model, [1, 3], each=2)
    assert [(one.layer, one.multiplier) for one in settings] == [
        (1, 1.5),
        (1, 2.5),
        (3, 1.5),
        (3, 2.5),
    ]
    one, other = (
        side(model, tiny_task(), settings) for side in (amplify_sweep.naive, amplify_sweep.shared)
    )
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert len({tuple(row) for row in one.tolist()}) == 4
    found = amplify_sweep.compare(model, tiny_task(), settings, rounds=2)
    assert found["log_odds_apart_at_most"] < 1e-3
    assert found["times_faster"] == found["seconds"]["naive"] / found["seconds"]["shared"]
