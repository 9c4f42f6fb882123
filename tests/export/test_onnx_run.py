"""Graphs in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from superneurons.export.onnx_run import bytes_of, median_ms, probabilities, quantised, session

RNG = np.random.default_rng(0)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Two products, and the softmax of their result."""
    first = RNG.normal(size=(16, 64)).astype(np.float32)
    last = RNG.normal(size=(64, 2)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["pixel_values", "first"], ["inside"], "first"),
        helper.make_node("MatMul", ["inside", "last"], ["scores"], "last"),
        helper.make_node("Softmax", ["scores"], ["probabilities"], "softmax", axis=-1),
    ]
    made = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(last, "last")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def test_one_by_one_or_all_at_once(graph: Path) -> None:
    pixels = [RNG.normal(size=(1, 16)).astype(np.float32) for _ in range(5)]
    opened = session(graph)
    together = probabilities(opened, pixels, any_batch=True)
    assert together.shape == (5, 2)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities(opened, pixels, any_batch=False), together, atol=1e-6)


def test_votes_stay_as_they_are_in_eight_bits(graph: Path, tmp_path: Path) -> None:
    quantised(graph, tmp_path / "eight.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "eight.onnx").graph.node]
    assert kinds.count("MatMul") == 1
    assert "MatMulInteger" in kinds
    assert kinds.index("MatMul") > kinds.index("MatMulInteger")


def test_weights_beside_the_graph_count(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"12")
    (tmp_path / "a.onnx.data").write_bytes(b"345")
    (tmp_path / "b.onnx").write_bytes(b"6789")
    assert bytes_of(tmp_path / "a.onnx") == 5


def test_each_is_run_as_often_as_the_other() -> None:
    told: list[str] = []
    found = median_ms([lambda: told.append("a"), lambda: told.append("b")])
    assert len(found) == 2
    assert all(ms >= 0 for ms in found)
    assert told == ["a", "b"] * (len(told) // 2)
