from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pictures import bright_records, coloured, shades
from superneurons.activations.capture import Progress, capture
from superneurons.evaluate.passes import run_passes
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
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


def uneven(n: int, seed: int = 0) -> list[Record]:
    """Three dark pictures for each bright one."""
    return [r for i, r in enumerate(bright_records(n, seed)) if i % 2 == 0 or i % 4 == 1]


def test_logits_to_calibrate_on_are_of_the_records_that_are_named(llava: VLM) -> None:
    probe, test = uneven(24), bright_records(4, seed=1)
    found = run_passes(llava, probe, test, generate=False, seed=1)
    assert (found.probe, found.test, found.labels) == (probe, test, ("no", "yes"))
    assert found.calibrating == found.probing.records
    assert len(found.calibrating) == 12 < len(probe)
    drawn = probing_set(probe, balanced=True, seed=1, multiclass="unrolled")
    assert found.probing.records == drawn.records
    assert found.probing.records != run_passes(llava, probe, test, generate=False).probing.records
    assert found.probe_logits is not None
    assert found.test_logits is not None
    expected = found.base.logits(llava, [*found.calibrating, *test])
    np.testing.assert_allclose(found.probe_logits, expected[:12], atol=1e-3)
    np.testing.assert_allclose(found.test_logits, expected[12:], atol=1e-3)


def test_what_is_asked_per_option_is_calibrated_on_all_records(llava: VLM) -> None:
    probe, test = shades(9), shades(4, seed=1)
    found = run_passes(llava, probe, test, generate=False)
    assert found.calibrating == probe
    assert found.probe_logits is not None
    assert found.test_logits is not None
    expected = found.base.logits(llava, [*probe, *test])
    np.testing.assert_allclose(found.probe_logits, expected[:9], atol=1e-3)
    np.testing.assert_allclose(found.test_logits, expected[9:], atol=1e-3)
    assert len(found.captured) == len(found.probing.records) == 18  # as many yes as no


def test_every_pass_is_in_batches_of_the_size_given_and_told(
    llava: VLM, batch_sizes: list[int], told_steps: Any
) -> None:
    run_passes(llava, shades(6), shades(4, seed=1), batch_size=5, steps=told_steps)
    # Twelve questions of six records, half of them yes, and of four; then each record once.
    assert batch_sizes == [5, 5, 2, 5, 5, 2, 5, 5, 4]
    assert told_steps.told == [
        ("probing set", 5, 12), ("probing set", 10, 12), ("probing set", 12, 12),
        ("test set", 5, 12), ("test set", 10, 12), ("test set", 12, 12),
        ("base model's logits", 5, 10), ("base model's logits", 10, 10),
        ("base model generates", 4, 4),
    ]  # fmt: skip


def test_labels_that_the_first_token_cannot_tell_leave_logits_out(llava: VLM) -> None:
    names = {"no": "cat", "yes": "cow"}
    probe, test = (
        [replace(record, label=names[str(record.label)]) for record in records]
        for records in (bright_records(8), bright_records(4, seed=1))
    )
    found = run_passes(llava, probe, test)
    assert found.probe_logits is found.test_logits is None
    assert found.base.words is None
    assert found.generated is not None
    assert set(found.generated) <= {"cat", "cow", ""}
    assert len(found.captured) == 8
