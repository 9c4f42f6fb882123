"""Graphs in ONNX Runtime: what they answer, how fast, and with 8-bit weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons._extras import require
from superneurons.export.onnx_graph import PIXELS

__all__ = ["bytes_of", "median_ms", "probabilities", "quantised", "session"]

_ROUNDS = 15
_WARM = 3
_PRODUCTS = ("MatMul", "Gemm")


def session(path: Path) -> Any:
    """Open a graph in ONNX Runtime on the CPU, with as many threads as PyTorch has.

    Raises
    ------
    MissingExtraError
        When ONNX Runtime is not installed.
    """
    runtime = require("onnxruntime", extra="onnx", purpose="Running an ONNX graph")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return runtime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )


def probabilities(
    opened: Any, pixels: Sequence[NDArray[np.float32]], *, any_batch: bool
) -> NDArray[np.float64]:
    """Return what a graph says of pictures, (N, C).

    Parameters
    ----------
    opened
        From :func:`session`.
    pixels
        Of each picture, with a first dimension of 1.
    any_batch
        Give it all at once.
    """
    batches = [np.concatenate(pixels)] if any_batch else list(pixels)
    rows = [opened.run(["probabilities"], {PIXELS: batch})[0] for batch in batches]
    return np.concatenate(rows).astype(np.float64)


def median_ms(runs: Sequence[Callable[[], object]]) -> list[float]:
    """Return the median milliseconds of each of some functions, run in turn.

    Parameters
    ----------
    runs
        Each is called a few times first, which don't count.
    """
    spent: list[list[float]] = [[] for _ in runs]
    for number in range(_WARM + _ROUNDS):
        for times, run in zip(spent, runs, strict=True):
            begun = time.perf_counter()
            run()
            if number >= _WARM:
                times.append((time.perf_counter() - begun) * 1e3)
    return [round(statistics.median(times), 3) for times in spent]


def quantised(path: Path, target: Path) -> None:
    """Write a graph anew with weights of matrix products in 8 bits, all but those of the votes.

    Raises
    ------
    MissingExtraError
        When ONNX Runtime is not installed.
    """
    tool = require("onnxruntime.quantization", extra="onnx", purpose="Quantising an ONNX graph")
    onnx = require("onnx", extra="onnx", purpose="Reading an ONNX graph")
    model = onnx.load(str(path), load_external_data=False)
    products = [node.name for node in model.graph.node if node.op_type in _PRODUCTS]
    # Shapes that an exporter noted down may contradict those that the quantiser infers again.
    del model.graph.value_info[:]
    plain = target.with_name(f"plain-{target.name}")
    onnx.save(model, str(plain))
    try:
        tool.quantize_dynamic(
            str(plain), str(target), weight_type=tool.QuantType.QInt8, per_channel=True,
            op_types_to_quantize=list(_PRODUCTS), nodes_to_exclude=products[-1:],
        )  # fmt: skip
    finally:
        plain.unlink()


def bytes_of(path: Path) -> int:
    """Bytes of a graph, weights that are kept beside it included."""
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
