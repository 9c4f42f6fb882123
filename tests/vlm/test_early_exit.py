from __future__ import annotations

import copy
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch

from superneurons.errors import ModelError, ResourceError
from superneurons.task.record import Record
from superneurons.vlm import early_exit
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.graphs import AccelerationWarning
from superneurons.vlm.model import VLM

LAYERS, COLUMNS = [2, 1, 2], [3, 0, 11]


@pytest.fixture(scope="module")
def mixed(records: list[Record]) -> list[Record]:
    """Different lengths, and one record with two pictures of different sizes."""
    longer = replace(records[1], question="Is it bright, or would you rather say that it is dark?")
    wide = records[3].images[0].resize((40, 17))  # type: ignore[union-attr]
    double = replace(records[2], images=(*records[2].images, wide))
    return [records[0], longer, double]


@pytest.mark.parametrize("kind", ["residual", "mlp", "heads", "vision", "projector"])
def test_the_neurons_are_those_of_the_plain_model(vlm: VLM, mixed: list[Record], kind: Any) -> None:
    layers = [1, 1, 1] if kind == "projector" else LAYERS
    inputs = vlm.encode(mixed)
    states = vlm.last_states(inputs, [kind]).at(kind)
    expected = states[:, torch.tensor(layers) - 1, torch.tensor(COLUMNS)]
    for acceleration in ("off", "lean", "auto"):
        leave = EarlyExit(vlm, layers, COLUMNS, kind=kind, acceleration=acceleration)  # type: ignore[arg-type]
        torch.testing.assert_close(leave(inputs), expected.float(), atol=1e-4, rtol=1e-4)
        assert leave.path == ("off" if acceleration == "off" else "lean")


@pytest.mark.parametrize("position", ["image_mean", "image_max"])
def test_so_are_those_over_the_pictures_tokens(
    vlm: VLM, mixed: list[Record], position: Any
) -> None:
    inputs = vlm.encode(mixed)
    states = vlm.last_states(inputs, ["residual"], [position]).at("residual", position)
    found = EarlyExit(vlm, LAYERS, COLUMNS, position=position)(inputs)
    expected = states[:, torch.tensor(LAYERS) - 1, torch.tensor(COLUMNS)]
    torch.testing.assert_close(found, expected.float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("acceleration", ["off", "auto"])
def test_no_later_layer_runs(vlm: VLM, records: list[Record], acceleration: Any) -> None:
    class Ran(Exception):
        pass

    def refuse(*_: Any) -> None:
        raise Ran

    later = vlm.layers[2]
    leave = EarlyExit(vlm, LAYERS, COLUMNS, acceleration=acceleration)
    handles = [module.register_forward_pre_hook(refuse) for module in (later, later.mlp)]
    try:
        assert leave(vlm.encode(records[:2])).shape == (2, 3)
        with pytest.raises(Ran):
            EarlyExit(vlm, [3], [0], acceleration="off")(vlm.encode(records[:2]))
    finally:
        for handle in handles:
            handle.remove()


def test_a_pass_that_differs_is_not_used(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = vlm.encode(records[:3])
    expected = EarlyExit(vlm, LAYERS, COLUMNS, acceleration="off")(inputs)
    monkeypatch.setattr(EarlyExit, "_neurons", lambda self, *_: expected + 1.0)
    leave = EarlyExit(vlm, LAYERS, COLUMNS)
    with pytest.warns(AccelerationWarning, match="differs from the plain model's"):
        assert torch.equal(leave(inputs), expected)
    assert leave.path == "off"
    assert "differs" in leave.reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(leave(inputs), expected)


def test_a_family_without_a_lean_pass_runs_plainly_and_says_so(
    vlm: VLM, records: list[Record]
) -> None:
    unknown = replace(vlm.truncated(2), family=replace(vlm.family, lean_tower=None))
    leave = EarlyExit(unknown, LAYERS, COLUMNS)
    assert leave.path == "off"
    assert vlm.family.name in leave.reason
    inputs = vlm.encode(records[:2])
    torch.testing.assert_close(leave(inputs), EarlyExit(vlm, LAYERS, COLUMNS)(inputs))


def test_an_adapter_around_a_layer_keeps_the_plain_pass(llava: VLM) -> None:
    class Wrapped(torch.nn.Linear):
        pass

    cut = llava.truncated(1)
    layer, plain = cut.layers[0], cut.layers[0].self_attn.o_proj  # type: ignore[union-attr]
    layer.self_attn.o_proj = Wrapped(*plain.weight.shape[::-1], bias=False)  # type: ignore[union-attr]
    try:
        leave = EarlyExit(cut, [1], [0])
        assert leave.path == "off"
        assert "Wrapped" in leave.reason
    finally:
        layer.self_attn.o_proj = plain  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [5, 1, 2]}, "neurons up to layer 5"),
        ({"columns": [0, 1, 99]}, "column 99"),
        ({"columns": [0]}, "3 layers and 1 columns"),
        ({"layers": [], "columns": []}, "0 layers"),
        ({"acceleration": "warp"}, "Unknown acceleration 'warp'"),
    ],
)
def test_what_cannot_be_read_is_refused(vlm: VLM, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        EarlyExit(vlm, **{"layers": LAYERS, "columns": COLUMNS, **change})


def test_too_little_memory_says_how_much_is_needed(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(EarlyExit, "_run", full)
    with pytest.raises(ResourceError, match=r"batch of 2 records .* weights take 0\.0 GB"):
        EarlyExit(vlm, LAYERS, COLUMNS)(vlm.encode(records[:2]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_dtype_is_compared_within_its_rounding(
    vlm: VLM, records: list[Record], dtype: torch.dtype
) -> None:
    other = replace(vlm, model=copy.deepcopy(vlm.model).to(dtype))
    inputs = other.encode(records[:3])
    lean, plain = (EarlyExit(other, LAYERS, COLUMNS, acceleration=a) for a in ("auto", "off"))
    expected = plain(inputs)
    torch.testing.assert_close(lean(inputs), expected, atol=0.1, rtol=0.1)
    assert lean.path == "lean"


@pytest.mark.parametrize(
    ("dtype", "error", "path"),
    [
        (torch.float64, 1e-2, "off"),
        (torch.float32, 1e-2, "off"),
        (torch.float32, 1e-4, "lean"),
        (torch.bfloat16, 1e-2, "lean"),
        (torch.bfloat16, 1.0, "off"),
    ],
)
def test_how_far_a_pass_may_differ_depends_on_the_dtype(
    llava: VLM,
    records: list[Record],
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    error: float,
    path: str,
) -> None:
    other = replace(llava, model=copy.deepcopy(llava.model).to(dtype))
    inputs = other.encode(records[:3])
    states = other.truncated(2).last_states(inputs).residual.float()
    off = EarlyExit(other, LAYERS, COLUMNS, acceleration="off")(inputs)
    moved = off + error * (off.abs() + states.std())
    monkeypatch.setattr(EarlyExit, "_neurons", lambda self, *_: moved)
    leave = EarlyExit(other, LAYERS, COLUMNS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccelerationWarning)
        leave(inputs)
    assert leave.path == path


def test_a_pass_that_fails_is_not_used(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: Any) -> None:
        raise NotImplementedError("no such operation on this device\nand more")

    monkeypatch.setattr(EarlyExit, "_neurons", lacking)
    leave, inputs = EarlyExit(vlm, LAYERS, COLUMNS), vlm.encode(records[:2])
    with pytest.warns(AccelerationWarning, match="no such operation on this device") as said:
        found = [leave(inputs) for _ in range(2)]
    assert len(said) == 1
    assert "and more" not in leave.reason
    expected = EarlyExit(vlm, LAYERS, COLUMNS, acceleration="off")(inputs)
    assert all(torch.equal(values, expected) for values in found)


def test_threads_share_one_early_exit(vlm: VLM, records: list[Record]) -> None:
    leave = EarlyExit(vlm, LAYERS, COLUMNS)
    batches = [vlm.encode(records[i : i + 1 + i % 3]) for i in range(8)]
    expected = [EarlyExit(vlm, LAYERS, COLUMNS)(inputs) for inputs in batches]
    ready = threading.Barrier(4)

    def run(thread: int) -> list[torch.Tensor]:
        ready.wait(timeout=30)
        return [leave(inputs) for inputs in batches[thread % 2 :: 2] * 3]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(4)))
    for thread, tensors in enumerate(found):
        for a, b in zip(tensors, expected[thread % 2 :: 2] * 3, strict=True):
            torch.testing.assert_close(a, b)
    assert leave.path == "lean"


def test_threads_that_begin_together_are_warned_once(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = vlm.encode(records[:2])
    expected = EarlyExit(vlm, LAYERS, COLUMNS, acceleration="off")(inputs)
    monkeypatch.setattr(EarlyExit, "_neurons", lambda self, *_: expected + 1.0)
    leave, ready = EarlyExit(vlm, LAYERS, COLUMNS), threading.Barrier(3)

    def run(_: int) -> torch.Tensor:
        ready.wait(timeout=30)
        return leave(inputs)

    with pytest.warns(AccelerationWarning) as said, ThreadPoolExecutor(3) as pool:
        found = list(pool.map(run, range(3)))
    assert len(said) == 1
    assert all(torch.equal(values, expected) for values in found)


def test_a_model_opened_no_deeper_than_it_is_read_answers_as_the_whole(
    vlm: VLM, records: list[Record]
) -> None:
    from superneurons.vlm.opening import open_vlm

    cut, inputs = open_vlm(vlm.name, depth=2, device="cpu"), vlm.encode(records[:3])
    for acceleration in ("auto", "off"):
        leave = EarlyExit(cut, LAYERS, COLUMNS, acceleration=acceleration)  # type: ignore[arg-type]
        torch.testing.assert_close(leave(inputs), EarlyExit(vlm, LAYERS, COLUMNS)(inputs))
    with pytest.raises(ModelError, match="has 2 layers"):
        EarlyExit(cut, [3], [0])


def test_offloaded_weights_keep_the_plain_model(llava: VLM, records: list[Record]) -> None:
    other = replace(llava, model=copy.deepcopy(llava.model))
    other.layers[3].to("meta")
    leave, inputs = EarlyExit(other, LAYERS, COLUMNS), llava.encode(records[:2])
    assert leave.path == "off"
    assert "offloaded" in leave.reason
    torch.testing.assert_close(leave(inputs), EarlyExit(llava, LAYERS, COLUMNS)(inputs))


@pytest.mark.parametrize(("path", "fuses"), [("graphs", 0), ("compiled", 1)])
def test_kernels_are_fused_where_that_was_asked(
    vlm: VLM, monkeypatch: pytest.MonkeyPatch, path: str, fuses: int
) -> None:
    found: list[Any] = []

    def fusing(lean: Any) -> Any:
        found.append(lean)
        return lean

    monkeypatch.setattr(early_exit, "fused", fusing)
    monkeypatch.setattr(early_exit, "way_to_run", lambda *_: (path, ""))
    assert EarlyExit(vlm, LAYERS, COLUMNS).path == path
    assert len(found) == fuses


def test_a_graph_that_cannot_be_recorded_is_said_once_and_answers_go_on(
    vlm: VLM, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("recording fails by itself only where there is no CUDA")
    inputs = vlm.encode(records[:3])
    expected = EarlyExit(vlm, LAYERS, COLUMNS, acceleration="off")(inputs)
    monkeypatch.setattr(early_exit, "way_to_run", lambda *_: ("graphs", ""))
    leave = EarlyExit(vlm, LAYERS, COLUMNS)
    with pytest.warns(AccelerationWarning, match="No CUDA graph") as said:
        found = [leave(inputs) for _ in range(3)]
    assert len(said) == 1
    assert leave.path == "lean"
    assert "can't be recorded" in leave.reason
    for values in found:
        torch.testing.assert_close(values, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_graphs_give_the_plain_model_s_neurons_for_every_batch(
    model_path: Any, records: list[Record], dtype: str
) -> None:
    from superneurons.vlm.opening import open_vlm

    vlm = open_vlm(str(model_path), device="cuda", dtype=dtype)
    fast, plain = (EarlyExit(vlm, LAYERS, COLUMNS, acceleration=a) for a in ("graphs", "off"))
    tolerance = 1e-3 if dtype == "float32" else 0.1
    for start, stop in ((0, 3), (3, 4), (4, 9), (0, 3)):
        inputs = vlm.encode(records[start:stop])
        torch.testing.assert_close(fast(inputs), plain(inputs), atol=tolerance, rtol=tolerance)
    assert fast.path == "graphs"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_pass_that_cannot_be_recorded_still_runs(
    model_path: Any, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.vlm.opening import open_vlm

    vlm = open_vlm(str(model_path), device="cuda")
    neurons = EarlyExit._neurons

    def waits(self: EarlyExit, *given: Any) -> torch.Tensor:
        found = neurons(self, *given)
        found.sum().item()
        return found

    monkeypatch.setattr(EarlyExit, "_neurons", waits)
    leave, inputs = EarlyExit(vlm, LAYERS, COLUMNS), vlm.encode(records[:2])
    with pytest.warns(AccelerationWarning, match="No CUDA graph"):
        found = leave(inputs)
    assert leave.path == "lean"
    monkeypatch.undo()
    torch.testing.assert_close(
        found, EarlyExit(vlm, LAYERS, COLUMNS, acceleration="off")(inputs), atol=1e-3, rtol=1e-3
    )
