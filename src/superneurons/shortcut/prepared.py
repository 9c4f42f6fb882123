"""A batch made ready for the model, which may be done while the model runs another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from superneurons.activations.capture import room_for
from superneurons.task.record import Record
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.prompt import Prompt

__all__ = ["Prepared", "prepared"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records, what is asked for them, that as model inputs, and how long it took to make them."""

    records: Sequence[Record]
    asked: Sequence[Record]
    inputs: Inputs
    seconds: float


def prepared(
    vlm: VLM, prompt: Prompt, records: Sequence[Record], asked: Sequence[Record]
) -> Prepared:
    """Open the pictures of a batch and encode it.

    Parameters
    ----------
    vlm, prompt
        What will be asked, and how.
    records, asked
        The records, and what is asked for them.

    Raises
    ------
    DataError
        When a picture cannot be read.
    ResourceError
        When the batch doesn't fit into memory.
    """
    begun = time.perf_counter()
    with room_for(asked):
        inputs = vlm.encode(asked, prompt)
    return Prepared(records, asked, inputs, time.perf_counter() - begun)
