"""What is listened to while models run, and a comparison whose activations are made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pictures import bright_records
from superneurons.activations.capture import Captured, Progress
from superneurons.activations.site import Site
from superneurons.evaluate.contest import Contest
from superneurons.evaluate.pool import Part, Pool, crossed_parts
from superneurons.evaluate.rivals import base_task
from superneurons.shortcut.probing import probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM

Planted = Callable[[VLM, Sequence[Record], list[Part], NDArray[np.float64]], Contest]


@pytest.fixture
def batch_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records are encoded together from now on, batch by batch."""
    sizes: list[int] = []
    encode = VLM.encode

    def listening(vlm: VLM, records: Sequence[Record], *words: Any, **options: Any) -> Any:
        sizes.append(len(records))
        return encode(vlm, records, *words, **options)

    monkeypatch.setattr(VLM, "encode", listening)
    return sizes


class ToldSteps:
    """Steps that remember what they were told: (step, done, total)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    @contextmanager
    def __call__(self, name: str, /) -> Iterator[Progress]:
        yield lambda done, total: self.told.append((name, done, total))

    def of(self, name: str) -> list[tuple[int, int]]:
        return [(done, total) for step, done, total in self.told if step == name]


@pytest.fixture
def told_steps() -> ToldSteps:
    return ToldSteps()


@pytest.fixture(scope="session")
def planted() -> Planted:
    """A contest of these records, parts and activations (N, L, W), the same at three sites."""

    def make(
        vlm: VLM, records: Sequence[Record], parts: list[Part], states: NDArray[np.float64]
    ) -> Contest:
        probing = probing_set(records, balanced=False, seed=0, multiclass="native")
        sites = [Site(), Site("heads"), Site(position="first_generated")]
        captured = Captured(dict.fromkeys(sites, states.astype(np.float16)))
        width = max(len(probing.labels), *(len(r.options or ()) for r in records))
        logits = np.random.default_rng(1).normal(size=(len(records), width)).astype(np.float32)
        pools = {probing.form: Pool(probing, np.arange(len(records)), captured)}
        base = base_task(vlm, records, probing.labels)
        return Contest(vlm, records, parts, probing.labels, pools, base, logits, seed=3)

    return make


@pytest.fixture(scope="session")
def noisy(llava: VLM, planted: Planted) -> Contest:
    """Two folds; every layer knows a little by itself, the last one most."""
    records = bright_records(60)
    truth = np.array([record.label == "yes" for record in records])
    states = np.random.default_rng(0).normal(size=(60, 4, 32))
    for layer, strength in enumerate((0.5, 0.5, 0.6, 0.8)):
        states[:, layer, :6] += np.where(truth, strength, -strength)[:, None]
    return planted(llava, records, crossed_parts(records, folds=2, seed=0), states)
