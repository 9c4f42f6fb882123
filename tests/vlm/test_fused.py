from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo import config as dynamo
from torch._dynamo.utils import counters

from superneurons.task.record import Record
from superneurons.vlm import fused as module
from superneurons.vlm.fused import fused
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace as a compiler would, without one: kernels aren't what is tested here."""
    plain = torch.compile

    def compiled(function: Callable[..., Any], **options: Any) -> Any:
        assert options.pop("options")  # the compiler's own
        return plain(function, backend="eager", fullgraph=True, **options)

    monkeypatch.setattr(module.torch, "compile", compiled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a compiler imports, which depends on the machine
        torch._dynamo.reset()
    counters.clear()


def passes(lean: Lean, vlm: VLM, records: list[Record], layer: int) -> tuple[torch.Tensor, ...]:
    tensors = vlm.encode(records).tensors
    grids = lean.tower.grids(tensors)
    reached = lean.advance(lean.start(tensors, ["residual", "mlp"], grids=grids), layer - 1)
    columns = torch.tensor([0, 5])
    last = lean.layers[layer - 1].neurons(
        reached.hidden, reached.rope, reached.last, "residual", columns
    )
    return reached.at("residual"), reached.at("mlp"), last


@pytest.mark.usefixtures("traced")
@torch.inference_mode()
def test_a_compiled_pass_is_the_same_and_layers_share_what_is_compiled(
    vlm: VLM, records: list[Record]
) -> None:
    lean = lean_of(vlm)
    assert lean is not None
    compiled = fused(lean)
    for found, expected in zip(
        passes(compiled, vlm, records[:3], 4), passes(lean, vlm, records[:3], 4), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    once = counters["stats"]["unique_graphs"]
    # Tower layers, projections, decoder layers, the layer that is read, and the beginning.
    assert once == 5
    passes(compiled, vlm, records[3:6], 4)
    assert counters["stats"]["unique_graphs"] == once


@pytest.mark.usefixtures("traced")
@torch.inference_mode()
def test_every_shape_is_compiled_and_none_falls_back(
    vlm: VLM, records: list[Record], recwarn: pytest.WarningsRecorder
) -> None:
    lean = lean_of(vlm)
    assert lean is not None
    compiled = fused(lean)
    with dynamo.patch(recompile_limit=2):  # that of users: three shapes are more
        for few in (records[:1], records[:2], records[:3]):
            torch.testing.assert_close(
                passes(compiled, vlm, few, 2)[-1], passes(lean, vlm, few, 2)[-1],
                atol=1e-5, rtol=1e-5,
            )  # fmt: skip
    assert counters["frames"]["total"] == counters["frames"]["ok"]
    assert not recwarn.list
