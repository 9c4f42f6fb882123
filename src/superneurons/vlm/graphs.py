"""Record a pass as CUDA graphs, one for each shape of batch, and replay them."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch.nn import functional as F

__all__ = ["AccelerationWarning", "Graphs", "bucket"]

_Grids: TypeAlias = tuple[tuple[int, int], ...]
_Run: TypeAlias = Callable[[Mapping[str, torch.Tensor], tuple[int, ...], _Grids], torch.Tensor]

# Text is padded to a multiple of this many tokens, so that prompts of about one length share a
# graph; each holds some memory.
_TOKENS = 32
_MOST_GRAPHS = 32
_TEXT = ("input_ids", "attention_mask")
_WARM_UP = 3


class AccelerationWarning(UserWarning):
    """A faster way to run couldn't be used; a slower one with the same answers is."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    graph: Any
    inputs: Mapping[str, torch.Tensor]
    output: torch.Tensor


class Graphs:
    """A function of a batch's tensors, recorded for each shape it is called with.

    A graph replays its kernels without the host launching each: at small batches that is most of
    the time. Shapes are rounded up to buckets, so that few graphs serve many batches; the most
    recent ones are kept. One replay at a time.

    Parameters
    ----------
    run
        ``(tensors, pictures of each record, grid of each picture)`` to (B, K). It must neither
        wait for the device nor depend on values.
    device
        Where the tensors are.

    Attributes
    ----------
    reason : str
        Why recording failed, if it did.
    """

    def __init__(self, run: _Run, device: torch.device) -> None:
        self._run = run
        self._device = device
        self._kept: OrderedDict[Any, _Recorded] = OrderedDict()
        self._lock = threading.Lock()
        self.reason = ""

    def __call__(
        self, tensors: Mapping[str, torch.Tensor], pictures: tuple[int, ...], grids: _Grids
    ) -> torch.Tensor | None:
        """Return the result of a batch, all its pictures of one size; ``None`` where it can't."""
        rows, text = tensors["input_ids"].shape
        wanted = bucket(rows), -(-text // _TOKENS) * _TOKENS
        padded = (*pictures, *[1] * (wanted[0] - rows))
        key = (*wanted, padded, grids[0])
        with self._lock:
            if self.reason:
                return None
            recorded = self._kept.get(key)
            if recorded is None:
                recorded = self._record(tensors, wanted, padded, grids)
                if recorded is None:
                    return None
                self._kept[key] = recorded
                if len(self._kept) > _MOST_GRAPHS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            _fill(recorded.inputs, tensors)
            recorded.graph.replay()
            return recorded.output[:rows].clone()

    def _record(
        self,
        tensors: Mapping[str, torch.Tensor],
        wanted: tuple[int, int],
        pictures: tuple[int, ...],
        grids: _Grids,
    ) -> _Recorded | None:
        more = sum(pictures) - len(grids)
        static = _static(tensors, wanted, len(grids), more)
        every = (*grids, *[grids[0]] * more)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # compilers' hints aren't the user's to take
                graph, output = self._captured(static, pictures, every)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever keeps a pass from being recorded, it can still run
            self.reason = f"the pass can't be recorded: {error}".splitlines()[0]
            warnings.warn(
                f"No CUDA graph: {self.reason}. Plain operations are used, which are slower.",
                AccelerationWarning,
                stacklevel=5,
            )
            return None
        return _Recorded(graph, static, output)

    def _captured(
        self, static: Mapping[str, torch.Tensor], pictures: tuple[int, ...], grids: _Grids
    ) -> tuple[Any, torch.Tensor]:
        side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._run(static, pictures, grids)
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads may prepare pictures on the device meanwhile; that must not end it.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = self._run(static, pictures, grids)
        return graph, output


def bucket(rows: int) -> int:
    """Round a number of records up to 1, 2, 4, 8, 12, 16, 24, 32, 48, ….

    Examples
    --------
    >>> [bucket(n) for n in (1, 3, 9, 17, 33)]
    [1, 4, 12, 24, 48]
    """
    size = 1
    while size < rows:
        half = size * 3 // 2
        if size >= 8 and half >= rows:
            return half
        size *= 2
    return size


def _static(
    tensors: Mapping[str, torch.Tensor], wanted: tuple[int, int], n_pictures: int, more: int
) -> dict[str, torch.Tensor]:
    """Tensors of the bucket's shape; rows that are added are one word long and see nothing."""
    rows, text = wanted
    static: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        if name in _TEXT:
            static[name] = value.new_zeros(rows, text)
        elif value.is_floating_point():
            each = len(value) // n_pictures
            static[name] = F.pad(value, (0, 0) * (value.ndim - 1) + (0, each * more))
    static["attention_mask"][:, 0] = 1
    return static


def _fill(static: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> None:
    rows, text = tensors["input_ids"].shape
    for name, target in static.items():
        value = tensors[name]
        if name not in _TEXT:
            target[: len(value)].copy_(value, non_blocking=True)
            continue
        target[:rows, :text].copy_(value, non_blocking=True)
        if text < target.shape[1]:
            target[:rows, text:].zero_()
