"""Keep activations on disk as they come, so that an interrupted capture goes on where it stopped.

A store is a directory: ``plan.json`` says what is captured from what, ``shard-00000.safetensors``
and so on hold the records in order. A shard appears under its name only when it is whole, and
batches never straddle shards, so what a resumed capture computes is what an unbroken one would.
Shards may lie in folders of the store, which ``index.json`` names: parts that were captured apart.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from superneurons.activations.capture import Captured, Progress, captures, joined
from superneurons.activations.site import Site
from superneurons.errors import MismatchError, OutputError, Problem
from superneurons.task.images import open_image
from superneurons.task.record import ImageSource, Record
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.processor import processor_settings, settings_apart
from superneurons.vlm.prompt import Prompt

__all__ = [
    "INDEX", "Plan", "adopt_plan", "capture_shards", "capture_to_store", "plan_of", "read_shard",
    "write_atomically",
]  # fmt: skip

INDEX = "index.json"
"""Says in which folder of a store a shard is, where it isn't in the store itself."""

_BATCHES_PER_SHARD = 8


@dataclass(frozen=True)
class Plan:
    """What a store holds, and what it was captured from.

    Parameters
    ----------
    records
        SHA-256 over questions and picture contents, in order.
    n
        Number of records.
    shapes
        For each site, the shape [L, W] of one record's activations.
    batch_size
        Records per forward pass; part of the plan, since it moves the last bits.
    model
        Fingerprint of the layers that ran.
    pictures
        Settings of the image processor.
    prompt
        Digest of the prompt.
    labels
        Labels whose logits are kept; empty for none.
    """

    records: str
    n: int
    shapes: dict[str, list[int]]
    batch_size: int
    model: str
    pictures: dict[str, Any]
    prompt: str
    labels: tuple[str, ...]

    @property
    def shard_size(self) -> int:
        """Records in each shard but the last."""
        return self.batch_size * _BATCHES_PER_SHARD

    @property
    def shards(self) -> range:
        """The numbers of all shards."""
        return range(-(-self.n // self.shard_size))

    def records_of(self, number: int) -> slice:
        """Return which records are in a shard."""
        return slice(number * self.shard_size, min(self.n, (number + 1) * self.shard_size))


def capture_to_store(
    vlm: VLM,
    records: Sequence[Record],
    directory: Path,
    *,
    sites: Sequence[Site] = (Site(),),
    prompt: Prompt | None = None,
    batch_size: int = 8,
    words: LabelWords | None = None,
    progress: Progress | None = None,
) -> Captured:
    """Capture the activations of records into a directory, going on where an earlier run stopped.

    Takes what :func:`superneurons.activations.capture.capture` takes, and returns the same.

    Raises
    ------
    MismatchError
        When the directory holds activations of other records, another model or another prompt.
    OutputError
        When it cannot be written.
    """
    plan = plan_of(vlm, records, sites=sites, prompt=prompt, batch_size=batch_size, words=words)
    adopt_plan(directory, plan)
    shards, done = [], 0
    there = {number: read_shard(directory, number, plan) for number in plan.shards}
    missing = [number for number, shard in there.items() if shard is None]
    options: dict[str, Any] = {"sites": sites, "prompt": prompt, "words": words}
    with closing(capture_shards(vlm, records, directory, plan, missing, **options)) as coming:
        for shard in there.values():
            shards.append(next(coming) if shard is None else shard)
            done += len(shards[-1])
            if progress is not None:
                progress(done, len(records))
    return joined(shards)


def plan_of(
    vlm: VLM,
    records: Sequence[Record],
    *,
    sites: Sequence[Site] = (Site(),),
    prompt: Prompt | None = None,
    batch_size: int = 8,
    words: LabelWords | None = None,
) -> Plan:
    """Return what a store of these records would hold; reads their pictures, as files."""
    return Plan(
        records=_digest(records),
        n=len(records),
        shapes={str(site): list(vlm.shape(site.kind)) for site in sites},
        batch_size=batch_size,
        model=fingerprint(
            vlm,
            vlm.depth,
            head=_answers(sites) or words is not None,
            tower=vlm.shape("vision")[0] if any(s.kind == "vision" for s in sites) else None,
        ),
        pictures=processor_settings(vlm.processor),
        prompt=(prompt or Prompt()).digest(vlm.processor, vlm.family),
        labels=words.labels if words else (),
    )


def capture_shards(
    vlm: VLM,
    records: Sequence[Record],
    directory: Path,
    plan: Plan,
    numbers: Sequence[int],
    *,
    sites: Sequence[Site] = (Site(),),
    prompt: Prompt | None = None,
    words: LabelWords | None = None,
) -> Generator[Captured, None, None]:
    """Capture some shards of a plan into a directory; each is written before it is given.

    Takes and raises what :func:`capture_to_store` does.

    Parameters
    ----------
    records
        All records of the plan.
    plan
        What :func:`plan_of` returned for them.
    numbers
        The shards that are wanted, in this order.

    Returns
    -------
    generator
        What was captured of each shard; to be closed by whoever stops before its end.
    """
    parts = [records[plan.records_of(number)] for number in numbers]
    size = plan.batch_size
    batches = [part[i : i + size] for part in parts for i in range(0, len(part), size)]
    # One run of batches over all shards: the next shard is prepared while this one is written.
    with closing(captures(vlm, batches, sites=sites, prompt=prompt, words=words)) as coming:
        for number, part in zip(numbers, parts, strict=True):
            shard = joined(list(islice(coming, -(-len(part) // size))))
            _write(directory / _name(number), shard)
            yield shard


def _name(number: int) -> str:
    return f"shard-{number:05d}.safetensors"


def _path(directory: Path, number: int) -> Path:
    """Where a shard is: in the store itself, or in the part that the index names."""
    path = directory / _name(number)
    if path.exists() or not (directory / INDEX).exists():
        return path
    try:
        parts = json.loads((directory / INDEX).read_text())["shards"]
        part = Path(str(parts.get(str(number), "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return path
    return path if part.is_absolute() or ".." in part.parts else directory / part / _name(number)


def _answers(sites: Sequence[Site]) -> bool:
    return any(site.position == "first_generated" for site in sites)


def adopt_plan(directory: Path, plan: Plan) -> None:
    """Start a store, or make sure that the one that is there is of the same plan.

    Raises
    ------
    MismatchError
        When it is of another; says in what it differs.
    OutputError
        When it cannot be written.
    """
    path = directory / "plan.json"
    wanted = json.loads(json.dumps(asdict(plan)))
    if not path.exists():
        write_atomically(path, json.dumps(wanted, indent=2).encode())
        return
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = {}
    problems = [
        Problem(f"plan.json: {place}", f"is {then!r}, now {now!r}")
        for name, value in wanted.items()
        for place, then, now in settings_apart(found.get(name), value, name)
    ]
    if problems:
        raise MismatchError(
            f"{str(directory)!r} holds activations of something else.",
            problems=problems,
            mend="Delete that directory, or give another one.",
        )


def read_shard(directory: Path, number: int, plan: Plan) -> Captured | None:
    """Return a finished shard, or ``None`` when it is missing or damaged."""
    wanted = plan.records_of(number)
    n = wanted.stop - wanted.start
    try:
        tensors = load_file(_path(directory, number))
    except (FileNotFoundError, SafetensorError):
        return None
    shapes = {name: (n, *shape) for name, shape in plan.shapes.items()}
    if any(name not in tensors or tensors[name].shape != shape for name, shape in shapes.items()):
        return None
    states = {Site.parse(name): tensors[name] for name in shapes}
    return Captured(states, tensors.get("label_logits"), tensors.get("first_tokens"))


def _write(path: Path, shard: Captured) -> None:
    extra = {"label_logits": shard.label_logits, "first_tokens": shard.first_tokens}
    tensors: dict[str, NDArray[Any]] = {str(site): values for site, values in shard.states.items()}
    tensors |= {name: values for name, values in extra.items() if values is not None}
    write_atomically(path, save({k: np.ascontiguousarray(v) for k, v in tensors.items()}))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whenever the process is killed.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        what, where = f"Cannot write {str(path)!r}: {error.strerror or error}", path.parent
        if isinstance(error, FileExistsError | NotADirectoryError):
            where = next((one for one in path.parents if one.is_file()), where)
            what = f"Cannot write {str(path)!r}: {str(where)!r} is no directory."
        raise OutputError(
            what, where=str(where), mend="Choose a directory that can be written and has room."
        ) from error


def _digest(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    seen: dict[Path, bytes] = {}
    for record in records:
        digest.update(f"\0{record.question}\0{len(record.images)}\0".encode())
        for image in record.images:
            digest.update(_picture(image, seen))
    return digest.hexdigest()


def _picture(image: ImageSource, seen: dict[Path, bytes]) -> bytes:
    if isinstance(image, Path):
        if image not in seen:
            seen[image] = hashlib.sha256(image.read_bytes()).digest()
        return seen[image]
    pixels = open_image(image)
    return hashlib.sha256(f"{pixels.size}".encode() + pixels.tobytes()).digest()
