"""Whether the stages of a cascade are still those that a lock says they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from superneurons.evaluate.cascade_locking import threshold_of
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_artefact import learnt_cascade, read_cascade_config
from superneurons.shortcut.cascade_stages import Stage
from superneurons.shortcut.lock import Locked, LockedStage, Share

__all__ = ["moved_stages", "stages_of"]


def moved_stages(locked: Locked, directory: Path) -> Iterator[tuple[str, str]]:
    """Compare the stages of a saved cascade with those that were locked, without its model.

    Yields
    ------
    what, told : str
        Where they differ, and how it was and is now.

    Raises
    ------
    ArtefactError
        When the cascade can't be read.
    """
    cascade = learnt_cascade(Cascade, read_cascade_config(directory), directory)
    then, now = list(map(_place, locked.stages)), list(map(_place, cascade.stages_))
    if then != now:
        told = (", ".join(map(_named, places)) for places in (then, now))
        yield "stages", "locked with {}; now {}".format(*told)
        return
    for number, (stage, found) in enumerate(zip(locked.stages, cascade.stages_, strict=True)):
        before, after = stage.threshold, threshold_of(found)
        if before != after:
            yield (
                f"stages.{number}.threshold",
                f"locked at {_limit(before)}, now {_limit(after)} ({_named(_place(stage))})",
            )


def stages_of(locked: Locked, now: Sequence[LockedStage]) -> dict[str, tuple[Share, Share]]:
    """Return what stages between the first and the last answered then and answer now.

    What the first one does not answer goes on, which is a share of its own, and what comes to the
    last is the rest. Nothing where the stages aren't the same: they can't be compared.

    Returns
    -------
    dict
        By the name of the stage's share, such as ``stages.1.answered``.
    """
    if list(map(_place, locked.stages)) != list(map(_place, now)):
        return {}
    return {
        f"stages.{number}.answered": (locked.stages[number].answered, now[number].answered)
        for number in locked.live[1:-1]
    }


def _place(stage: Stage | LockedStage) -> tuple[int, bool]:
    return stage.layer, stage.base_answer if isinstance(stage, LockedStage) else stage.is_base


def _named(place: tuple[int, bool]) -> str:
    layer, base_answer = place
    return "the base model's answer" if base_answer else f"layer {layer}"


def _limit(threshold: float | None) -> str:
    return "never" if threshold is None else str(threshold)
