"""Try layers, counts and multipliers on tasks, with the controls beside them, and keep it all.

Neurons are found on one half of a task's prompts; all settings are read on both halves, so that
what is chosen on one can be reported on the other. Each finished layer of a task is one file that
is there whole or not at all: an interrupted sweep goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from superneurons.activations.capture import Progress
from superneurons.activations.store import write_atomically
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.neurons import (
    Scoring,
    TaskNeurons,
    differences,
    mlp_activations,
    strongest,
)
from superneurons.amplify.prefix import Prefixes, prefixes_of
from superneurons.amplify.readings import Readings, read_targets
from superneurons.amplify.tasks import TextTask
from superneurons.errors import DataError, MismatchError, Problem

__all__ = ["Grid", "TaskSweep", "neurons_of", "sweep"]


@dataclass(frozen=True)
class Grid:
    """What a sweep tries.

    Parameters
    ----------
    layers
        Numbers of layers, from 1.
    counts
        Numbers of neurons.
    multipliers
        What they are multiplied by.
    draws
        Of the random control: so many sets of neurons per layer.
    scoring
        How neurons are found.
    seed
        Of the halves, the shuffle and the draws.
    """

    layers: tuple[int, ...]
    counts: tuple[int, ...] = (20, 100)
    multipliers: tuple[float, ...] = (1.5, 2.0, 4.0)
    draws: int = 2
    scoring: Scoring = "difference"
    seed: int = 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which neurons are amplified: those found, and the controls.

        ``shuffled``: found with task and control prompts mixed up. ``loud``: the largest mean
        magnitude over both, whatever the task. ``random 1`` and so on: drawn.
        """
        drawn = (f"random {draw + 1}" for draw in range(self.draws))
        return ("found", "shuffled", "loud", *drawn)

    def check(self, model: LanguageModel) -> None:
        """Make sure that a model has these layers and as many neurons.

        Raises
        ------
        DataError
            Lists everything that it hasn't.
        """
        problems = [
            Problem(name, "none, or the same twice")
            for name in ("layers", "counts", "multipliers")
            if not getattr(self, name) or len(set(getattr(self, name))) < len(getattr(self, name))
        ]
        problems += [
            Problem("layers", f"{layer} is none of 1 to {model.n_layers}")
            for layer in self.layers
            if not 1 <= layer <= model.n_layers
        ]
        problems += [
            Problem("counts", f"{count} is none of 1 to {model.width}")
            for count in self.counts
            if not 1 <= count <= model.width
        ]
        problems += [
            Problem("multipliers", f"{times} is no finite number")
            for times in self.multipliers
            if not isfinite(times)
        ]
        if problems:
            raise DataError(
                f"{model.name!r} cannot be swept like this.",
                problems=problems,
                mend="Choose layers and numbers of neurons that it has, and finite multipliers.",
            )


@dataclass(frozen=True)
class TaskSweep:
    """What a sweep found for one task of N prompts.

    Parameters
    ----------
    task
        The task.
    grid
        What was tried.
    base
        Without amplification, shape (N,).
    found
        Shape (layers, kinds, counts, multipliers, N).
    choosing, reporting
        Numbers of the prompts of each half.
    """

    task: TextTask
    grid: Grid
    base: Readings = field(repr=False)
    found: Readings = field(repr=False)
    choosing: NDArray[np.int64] = field(repr=False)
    reporting: NDArray[np.int64] = field(repr=False)


def sweep(
    model: LanguageModel,
    tasks: Sequence[TextTask],
    grid: Grid,
    directory: Path | None = None,
    *,
    progress: Progress | None = None,
) -> list[TaskSweep]:
    """Amplify neurons of each layer on each task in every way of a grid.

    Only the last token's neurons are amplified; so all that comes before it, and the layers below,
    are computed once per prompt.

    Parameters
    ----------
    model
        The whole model.
    tasks
        Of different names.
    grid
        What is tried.
    directory
        Where finished parts are kept and, when they are there already, taken from.
    progress
        Called with the number of parts that are done, and of all: one per task and layer.

    Raises
    ------
    DataError
        When a target is several tokens, tasks have the same name, or the model has no such layers
        or neurons.
    MismatchError
        When the directory holds a sweep of something else.
    ModelError
        When a multiplier makes activations that are no finite numbers; names the layer.
    OutputError
        When the directory cannot be written.
    """
    grid.check(model)
    names = [task.name for task in tasks]
    if len(set(names)) < len(names) or not names:
        raise DataError(
            "Tasks of a sweep need different names.", where="tasks", mend=f"Given: {names}."
        )
    targets = [task.tokens(model) for task in tasks]
    found, done = [], 0
    for task, tokens in zip(tasks, targets, strict=True):
        parts: list[Readings] = []
        for part in _parts(model, task, tokens, grid, directory):
            parts.append(part)
            done += 1
            if progress is not None:
                progress(done, len(tasks) * len(grid.layers))
        found.append(_joined(task, grid, parts))
    return found


def neurons_of(
    model: LanguageModel, task: TextTask, grid: Grid
) -> dict[str, dict[int, TaskNeurons]]:
    """Find the neurons of a task and those of its controls, as a sweep amplifies them.

    Parameters
    ----------
    model
        The whole model.
    task
        The task; its choosing half is used.
    grid
        What is tried.

    Returns
    -------
    dict
        By kind, then by layer: as many neurons as the largest count.
    """
    choosing, _ = task.halves(grid.seed)
    some = task.some(choosing)
    of_task = mlp_activations(model, some.prompts)
    of_control = mlp_activations(model, some.controls)
    rng = np.random.default_rng([grid.seed, crc32(task.name.encode())])
    both = np.concatenate([of_task, of_control])
    pooled = both[rng.permutation(len(both))]
    scores = {
        "found": differences(of_task, of_control, grid.scoring),
        "shuffled": differences(pooled[: len(of_task)], pooled[len(of_task) :], grid.scoring),
        "loud": np.abs(both).mean(axis=0, dtype=np.float64),
    }
    scores |= {kind: rng.random(scores["found"].shape) for kind in grid.kinds[len(scores) :]}
    return {
        kind: {
            layer: strongest(
                scores[kind], layer, max(grid.counts),
                task=task.name, model=model.fingerprint, found=kind,
            )
            for layer in grid.layers
        }
        for kind in grid.kinds
    }  # fmt: skip


def _parts(
    model: LanguageModel,
    task: TextTask,
    tokens: NDArray[np.int64],
    grid: Grid,
    directory: Path | None,
) -> Iterator[Readings]:
    """Each layer's readings, the base's first among them; kept as soon as they are there."""
    prefixes: Prefixes | None = None
    neurons: dict[str, dict[int, TaskNeurons]] = {}
    for layer in grid.layers:
        path = None if directory is None else directory / f"{task.name}-{layer:03d}.safetensors"
        digest = _digest(model, task, grid, layer)
        part = None if path is None else _read(path, digest)
        if part is None:
            if prefixes is None:
                prefixes = prefixes_of(model, task.prompts, last_token=True)
                neurons = neurons_of(model, task, grid)
            part = _layer(prefixes, layer, neurons, tokens, grid)
            if path is not None:
                _write(path, part, digest)
        yield part


def _layer(
    prefixes: Prefixes,
    layer: int,
    neurons: dict[str, dict[int, TaskNeurons]],
    tokens: NDArray[np.int64],
    grid: Grid,
) -> Readings:
    """Shape (1 + settings, N): the base, then kinds, counts and multipliers in order."""
    prefix = prefixes.at(layer)
    rows = [read_targets(prefix.logits(), tokens)]
    for kind in grid.kinds:
        for count in grid.counts:
            for multiplier in grid.multipliers:
                amplification = neurons[kind][layer].amplification(multiplier, count)
                rows.append(read_targets(prefix.logits(amplification), tokens))
    return Readings(
        np.stack([row.log_odds for row in rows]),
        np.stack([row.rank for row in rows]),
        np.stack([row.confidence for row in rows]),
    )


def _joined(task: TextTask, grid: Grid, parts: Sequence[Readings]) -> TaskSweep:
    shape = (len(parts), len(grid.kinds), len(grid.counts), len(grid.multipliers), len(task))
    first = parts[0]
    base = Readings(first.log_odds[0], first.rank[0], first.confidence[0])
    found = Readings(
        np.stack([part.log_odds[1:] for part in parts]).reshape(shape),
        np.stack([part.rank[1:] for part in parts]).reshape(shape),
        np.stack([part.confidence[1:] for part in parts]).reshape(shape),
    )
    return TaskSweep(task, grid, base, found, *task.halves(grid.seed))


def _digest(model: LanguageModel, task: TextTask, grid: Grid, layer: int) -> str:
    """Of all that a part depends on; other layers and tasks may be added later."""
    what = [
        model.fingerprint, task.prompts, task.targets, task.controls, layer,
        grid.counts, grid.multipliers, grid.draws, grid.scoring, grid.seed,
    ]  # fmt: skip
    # Random neurons are drawn for all layers at once, so which ones are read doesn't matter.
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _read(path: Path, digest: str) -> Readings | None:
    """Return a finished part, or ``None`` when it is missing or damaged."""
    try:
        with safe_open(path, framework="np") as file:
            found = (file.metadata() or {}).get("digest")
            names = ("log_odds", "rank", "confidence")
            tensors = [file.get_tensor(name) for name in names]
    except (FileNotFoundError, SafetensorError):
        return None
    if found != digest:
        raise MismatchError(
            f"{path.name} is of a sweep of another model, other prompts or another grid.",
            where=str(path),
            mend="Give another directory, or delete this one.",
        )
    return Readings(*tensors)


def _write(path: Path, part: Readings, digest: str) -> None:
    tensors = {"log_odds": part.log_odds, "rank": part.rank, "confidence": part.confidence}
    whole = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    write_atomically(path, save(whole, metadata={"digest": digest}))
