"""Read every layer of many records in one forward pass each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.errors import ResourceError
from superneurons.task.record import Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Captured", "Progress", "capture", "capture_batch", "to_float16"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (records done, records in all)."""

_LARGEST = float(torch.finfo(torch.float16).max)


@dataclass(frozen=True, slots=True)
class Captured:
    """Activations of some records, and the base model's logits where they were asked for.

    Parameters
    ----------
    activations
        Residual stream at the last prompt position, shape (N, L, D) float16.
    label_logits
        First-token logits pooled over the label words, shape (N, C) float32.
    """

    activations: NDArray[np.float16]
    label_logits: NDArray[np.float32] | None = None

    @property
    def flat(self) -> NDArray[np.float16]:
        """The activations as (N, L * D), without a copy."""
        return self.activations.reshape(len(self.activations), -1)

    def up_to(self, layer: int) -> NDArray[np.float16]:
        """Activations of the layers 1 … ``layer``, as (N, layer * D)."""
        kept = self.activations[:, :layer]
        return kept.reshape(len(kept), -1)


def capture(
    vlm: VLM,
    records: Sequence[Record],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    words: LabelWords | None = None,
    progress: Progress | None = None,
) -> Captured:
    """Capture the activations of records, in their order.

    Parameters
    ----------
    vlm
        The model; cut off (:meth:`VLM.truncated`) when only some layers are wanted.
    records
        N of them.
    prompt
        How they are asked.
    batch_size
        Records per forward pass.
    words
        Also keep the first-token logits of these label words; needs the whole model.
    progress
        Told after each batch.

    Raises
    ------
    DataError
        When a picture cannot be read.
    ResourceError
        When a batch doesn't fit into memory.

    Examples
    --------
    >>> from superneurons.demo.tasks import make_task  # doctest: +SKIP
    >>> capture(open_vlm("demo"), make_task("dark", n=4)).activations.shape  # doctest: +SKIP
    (4, 30, 576)
    """
    batches = list(_batches(records, batch_size))
    found = []
    for number, batch in enumerate(batches, start=1):
        found.append(capture_batch(vlm, batch, prompt=prompt, words=words))
        if progress is not None:
            progress(min(number * batch_size, len(records)), len(records))
    logits = [part.label_logits for part in found if part.label_logits is not None]
    return Captured(
        np.concatenate([part.activations for part in found]),
        np.concatenate(logits) if logits else None,
    )


def capture_batch(
    vlm: VLM,
    records: Sequence[Record],
    *,
    prompt: Prompt | None = None,
    words: LabelWords | None = None,
) -> Captured:
    """Capture one batch; see :func:`capture`."""
    try:
        states = vlm.last_states(vlm.encode(records, prompt), logits=words is not None)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ResourceError(
            f"A batch of {len(records)} records doesn't fit into memory.",
            where=f"records {records[0].id or 0} … {records[-1].id or len(records)}",
            mend="Use a smaller batch size.",
        ) from error
    pooled = None
    if words is not None and states.logits is not None:
        pooled = words.pool(states.logits).cpu().numpy()
    return Captured(to_float16(states.residual), pooled)


def to_float16(residual: torch.Tensor) -> NDArray[np.float16]:
    """Convert to float16; what is larger than it can hold keeps its sign at the largest value.

    Single neurons of large models exceed 65,504; an infinity would spoil every mean they enter.
    """
    clipped = residual.float().clamp(-_LARGEST, _LARGEST)
    halves: NDArray[Any] = clipped.to(torch.float16).cpu().numpy()
    return halves


def _batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
