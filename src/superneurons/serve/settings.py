"""How much the engine takes on at once, and when it goes deeper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from superneurons.errors import DataError, Problem

__all__ = ["EngineSettings"]


@dataclass(frozen=True)
class EngineSettings:
    """Limits of the engine.

    Parameters
    ----------
    max_batch
        Questions per pass at most.
    window
        Seconds that a first job waits for others while the model is idle.
    max_queue
        Jobs that wait at most; more are refused.
    max_wait
        Seconds in which an accepted job should be answered: where the backlog, at the pace that was
        measured, takes longer, jobs are refused.
    cache_bytes
        Memory for what pictures gave, and as much again for answers; 0: nothing is remembered.
    base
        Whether the base model's own logits are asked, for which all its layers are opened.
        ``None``: where an artefact needs all layers, or a threshold is set.
    thresholds
        By classifier: confidence below which its answers escalate.
    cautious_for
        Seconds for which batches stay small after memory ran out.
    stuck_after
        Seconds after which a batch that is still running is held to hang.

    Raises
    ------
    DataError
        When a limit is out of range; lists all of them.

    Examples
    --------
    >>> EngineSettings(max_batch=4).max_queue
    256
    """

    max_batch: int = 16
    window: float = 0.003
    max_queue: int = 256
    max_wait: float = 1.0
    cache_bytes: int = 256 * 2**20
    base: bool | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    cautious_for: float = 30.0
    stuck_after: float = 120.0

    def __post_init__(self) -> None:
        ranges = (
            ("max_batch", self.max_batch, self.max_batch >= 1, "1 or more"),
            ("window", self.window, 0 <= self.window <= 1, "0 to 1 second"),
            ("max_queue", self.max_queue, self.max_queue >= 1, "1 or more"),
            ("max_wait", self.max_wait, self.max_wait > 0, "above 0 seconds"),
            ("cache_bytes", self.cache_bytes, self.cache_bytes >= 0, "0 or more"),
            ("cautious_for", self.cautious_for, self.cautious_for >= 0, "0 seconds or more"),
            ("stuck_after", self.stuck_after, self.stuck_after > 0, "above 0 seconds"),
        )
        problems = [
            Problem(name, f"{value!r}, should be {wanted}")
            for name, value, right, wanted in ranges
            if not right
        ]
        problems += [
            Problem(f"thresholds.{name}", f"{value!r}, should be from 0 to 1")
            for name, value in self.thresholds.items()
            if not 0 <= value <= 1
        ]
        if problems:
            raise DataError(
                "Some limits of the service are out of range.",
                problems=problems,
                mend="Change these.",
            )
