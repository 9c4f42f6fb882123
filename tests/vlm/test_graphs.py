from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from superneurons.task.record import Record
from superneurons.vlm import graphs as module
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.graphs import AccelerationWarning, Graphs, bucket
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM, Inputs

CPU = torch.device("cpu")


class Recorder:
    """Records on a CPU: replaying a graph runs what was recorded again, on the same tensors."""

    def __init__(self) -> None:
        self.recorded = 0
        self.runs: list[tuple[Callable[..., torch.Tensor], tuple[Any, ...], torch.Tensor]] = []

    def watch(self, run: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def watched(*given: Any) -> torch.Tensor:
            found = run(*given)
            self.runs.append((run, given, found))
            return found

        return watched

    @contextmanager
    def record(self, graph: Any, **_: Any) -> Iterator[None]:
        self.recorded += 1
        yield
        run, given, output = self.runs[-1]
        graph.replay = lambda: output.copy_(run(*given))

    @contextmanager
    def record_quietly(self, graph: Any, **_: Any) -> Iterator[None]:
        """As a GPU does: what was recorded runs without the host saying anything again."""
        yield
        graph.replay = lambda: None


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    found = Recorder()

    class Waiting:
        def wait_stream(self, _: Any) -> None: ...

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: Waiting())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Waiting())
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", type("Graph", (), {}))
    monkeypatch.setattr(torch.cuda, "graph", found.record)
    return found


class Setup:
    """The lean pass of some neurons of a model, through graphs and without."""

    def __init__(self, vlm: VLM, recorder: Recorder) -> None:
        leave, lean = EarlyExit(vlm, [2, 1, 2], [3, 0, 11], acceleration="lean"), lean_of(vlm)
        assert lean is not None
        self.vlm, self.lean, self.plain, self.recorder = vlm, lean, leave, recorder
        run = recorder.watch(lambda *given: leave._neurons(lean, *given))
        self.graphs = Graphs(run, CPU)

    @torch.inference_mode()
    def __call__(self, inputs: Inputs) -> torch.Tensor:
        grids = self.lean.tower.grids(inputs.tensors)
        found = self.graphs(inputs.tensors, inputs.pictures, grids)
        assert found is not None
        return found

    def agrees(self, records: list[Record]) -> None:
        inputs = self.vlm.encode(records)
        found = self(inputs)
        assert found.shape == (len(records), 3)
        torch.testing.assert_close(found, self.plain(inputs), atol=1e-4, rtol=1e-4)


@pytest.fixture
def setup(vlm: VLM, recorder: Recorder) -> Setup:
    return Setup(vlm, recorder)


def longer(record: Record, more: str) -> Record:
    return replace(record, question=record.question + more)


@given(n=st.integers(1, 500))
def test_buckets_waste_little_and_hold_what_they_are_made_for(n: int) -> None:
    assert n <= bucket(n) <= max(2 * n - 1, 1)
    assert bucket(n) <= 1.5 * n + 1 or n < 8
    assert bucket(bucket(n)) == bucket(n)
    assert bucket(n) <= bucket(n + 1)


def test_batches_of_every_size_give_what_they_give_without_graphs(
    setup: Setup, records: list[Record], recorder: Recorder
) -> None:
    for start, stop in ((0, 1), (1, 4), (4, 8), (5, 8), (0, 5)):
        setup.agrees(records[start:stop])
    assert recorder.recorded == 3  # for 1, 4 and 8 records


def test_nothing_of_an_earlier_batch_is_left(
    setup: Setup, records: list[Record], recorder: Recorder
) -> None:
    room = -setup.vlm.encode(records[:1]).tensors["input_ids"].shape[1] % 32
    assert room >= 2  # else the question would have to be another
    setup.agrees([longer(record, "x" * room) for record in records[:3]])
    setup.agrees([longer(records[3], "x" * (room // 2)), records[4], records[5]])
    setup.agrees(records[6:8] * 2)
    assert recorder.recorded == 1


def test_longer_prompts_and_more_pictures_get_graphs_of_their_own(
    setup: Setup, records: list[Record], recorder: Recorder
) -> None:
    setup.agrees(records[:2])
    setup.agrees([longer(records[0], " Really?" * 9), records[1]])
    double = replace(records[2], images=records[2].images + records[3].images)
    setup.agrees([records[0], double, records[1]])
    setup.agrees([double, records[0], records[1]])
    assert recorder.recorded == 4


def test_answers_stay_when_the_graph_runs_again(setup: Setup, records: list[Record]) -> None:
    first = setup(setup.vlm.encode(records[:2]))
    kept = first.clone()
    setup(setup.vlm.encode(records[2:4]))
    assert torch.equal(first, kept)


def test_only_the_most_recent_graphs_are_kept(
    setup: Setup, records: list[Record], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_GRAPHS", 2)
    for n in (1, 2, 1, 4, 1):
        setup.agrees(records[:n])
    assert recorder.recorded == 3
    setup.agrees(records[:2])
    assert recorder.recorded == 4


def test_what_cannot_be_recorded_is_said_once_and_not_tried_again(
    setup: Setup, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits(*_: Any, **__: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    monkeypatch.setattr(torch.cuda, "graph", waits)
    inputs = setup.vlm.encode(records[:2])
    grids = setup.lean.tower.grids(inputs.tensors)
    with pytest.warns(AccelerationWarning, match="operation not permitted") as said:
        assert setup.graphs(inputs.tensors, inputs.pictures, grids) is None
    assert "more lines" not in str(said[0].message)
    assert "not permitted" in setup.graphs.reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert setup.graphs(inputs.tensors, inputs.pictures, grids) is None


def test_what_a_compiler_says_about_speed_is_not_passed_on(
    setup: Setup, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hints(*_: Any) -> torch.Tensor:
        warnings.warn("TensorFloat32 tensor cores are available but not enabled", stacklevel=1)
        return torch.zeros(2, 3)

    monkeypatch.setattr(setup.graphs, "_run", setup.recorder.watch(hints))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graphs, inputs = setup.graphs, setup.vlm.encode(records[:2])
        grids = setup.lean.tower.grids(inputs.tensors)
        monkeypatch.setattr(torch.cuda, "graph", setup.recorder.record_quietly)
        assert graphs(inputs.tensors, inputs.pictures, grids) is not None


def test_too_little_memory_is_no_reason_to_run_without_graphs(
    setup: Setup, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.cuda, "graph", full)
    with pytest.raises(torch.OutOfMemoryError):
        setup(setup.vlm.encode(records[:2]))
    assert setup.graphs.reason == ""
