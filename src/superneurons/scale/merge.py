"""The parts of a store that were captured apart, made one."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from superneurons.activations.store import (
    INDEX,
    Plan,
    adopt_plan,
    read_shard,
    write_atomically,
)  # fmt: skip
from superneurons.errors import OutputError, Problem

__all__ = ["adopt_together", "located", "merge", "part_of"]


def part_of(store: Path, rank: int) -> Path:
    """Return the folder of a store in which a rank keeps its shards."""
    return store / f"part-{rank:05d}"


def adopt_together(store: Path, plan: Plan) -> None:
    """Begin a store, or check its plan, where several processes do so at once.

    Raises
    ------
    MismatchError, OutputError
        As there.
    """
    if not (store / "plan.json").exists():
        trial = store / f".{uuid.uuid4().hex}"
        adopt_plan(trial, plan)
        (trial / "plan.json").replace(store / "plan.json")
        trial.rmdir()
    adopt_plan(store, plan)


def located(store: Path, plan: Plan) -> dict[int, Path]:
    """Return where each finished shard of a plan is: in the store itself, or in one of its parts.

    Raises
    ------
    MismatchError
        When the store, or a part of it, holds activations of something else.
    """
    found: dict[int, Path] = {}
    # Parts first: through its index, the store itself has what they have.
    for folder in (*sorted(store.glob("part-*")), store):
        if not (folder / "plan.json").exists():
            continue
        adopt_plan(folder, plan)
        for number in plan.shards:
            if number not in found and read_shard(folder, number, plan) is not None:
                found[number] = folder
    return found


def merge(store: Path, plan: Plan) -> None:
    """Make one store of its parts: ``fit`` reads it as if one process had captured it.

    Nothing is copied; ``index.json`` names the part that holds each shard.

    Parameters
    ----------
    store
        The directory whose folders ``part-…`` hold the shards.
    plan
        What they were captured to.

    Raises
    ------
    MismatchError
        When a part holds activations of something else.
    OutputError
        When a shard is nowhere, or the store cannot be written.
    """
    found = located(store, plan)
    problems = [
        Problem(f"shard {number}", "in no part") for number in plan.shards if number not in found
    ]
    if problems:
        raise OutputError(
            "The store isn't complete.",
            problems=problems,
            where=str(store),
            mend="Copy all parts into it, or capture again: what is there is kept.",
        )
    shards = {
        str(number): folder.name for number, folder in sorted(found.items()) if folder != store
    }
    index = {"version": 1, "shards": shards}
    write_atomically(store / INDEX, (json.dumps(index, indent=1) + "\n").encode())
    adopt_plan(store, plan)
