from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from pictures import bright_records, coloured
from superneurons.activations.capture import Progress, capture
from superneurons.evaluate.passes import run_passes
from superneurons.task.unroll import unroll
from superneurons.vlm.model import VLM


def test_one_pass_gives_activations_and_logits(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    last_states = VLM.last_states

    def counting(self: VLM, inputs: object, *kinds: object, **options: object) -> object:
        runs.append(len(inputs))  # type: ignore[arg-type]
        return last_states(self, inputs, *kinds, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(VLM, "last_states", counting)
    found = run_passes(vlm, bright_records(12), bright_records(6, seed=1), batch_size=6)
    assert sum(runs) == 12 + 6
    assert found.probe_logits is not None
    assert found.probe_logits.shape == (12, 2)
    assert found.generated is not None
    assert len(found.generated) == 6


@pytest.mark.parametrize("options", [False, True])
def test_unrolled_tasks_ask_the_base_model_its_own_way(vlm: VLM, options: bool) -> None:
    probe, test = coloured(12, options), coloured(6, options)
    found = run_passes(vlm, probe, test)
    each = 2 if options else 3
    assert found.captured_test.activations.shape[0] == 6 * each
    assert found.test_logits is not None
    assert found.test_logits.shape == (6, each)
    first = unroll(test, found.labels or None).records[:1]
    expected = capture(vlm, first).activations
    np.testing.assert_allclose(found.captured_test.activations[:1], expected, atol=5e-3)


def test_generation_can_be_left_out(vlm: VLM) -> None:
    found = run_passes(vlm, bright_records(8), bright_records(4, seed=1), generate=False)
    assert found.generated is None


def test_steps_are_named_and_told_to_the_end(vlm: VLM) -> None:
    told: dict[str, tuple[int, int]] = {}

    @contextmanager
    def steps(name: str, /) -> Iterator[Progress]:
        yield lambda done, total: told.update({name: (done, total)})

    run_passes(vlm, bright_records(8), bright_records(4, seed=1), steps=steps)
    assert told == {
        "probing set": (8, 8),
        "test set": (4, 4),
        "base model generates": (4, 4),
    }
