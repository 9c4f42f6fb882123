"""Answers as Parquet files, one per block, and the manifest that says which block is in which."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons._extras import require
from superneurons.activations.store import write_atomically
from superneurons.errors import DataError, MismatchError, OutputError, Problem
from superneurons.scale.blocks import Block
from superneurons.shortcut.prediction import Prediction

__all__ = ["Outputs", "digest_of", "write_answers"]

_MANIFEST = "manifest.json"
_PURPOSE = "Writing answers as Parquet files"


@dataclass(frozen=True)
class Outputs:
    """A directory of answers: ``manifest.json`` and ``block-00000.parquet`` and so on.

    Parameters
    ----------
    directory
        Where it is.
    blocks
        What is answered there, in order.
    """

    directory: Path
    blocks: tuple[Block, ...]

    @classmethod
    def adopt(
        cls, directory: Path, blocks: Sequence[Block], settings: Mapping[str, Any]
    ) -> Outputs:
        """Begin a directory of answers, or go on with the one that is there.

        Parameters
        ----------
        directory
            Made where it is missing.
        blocks
            The blocks of the data, in order.
        settings
            What else decides on the answers, as JSON values.

        Raises
        ------
        MismatchError
            When it holds answers to other data, or of another classifier.
        OutputError
            When it holds something else, or cannot be written.
        """
        wanted = {"version": 1, "settings": dict(settings), "blocks": _described(blocks)}
        path = directory / _MANIFEST
        if not path.exists():
            if directory.exists() and any(
                p.name != f"{_MANIFEST}.partial" for p in directory.iterdir()
            ):
                raise OutputError(
                    f"{str(directory)!r} holds something other than answers.",
                    where=str(directory),
                    mend="Choose another directory.",
                )
            write_atomically(path, (json.dumps(wanted, indent=1) + "\n").encode())
        else:
            _refuse_other(path, json.loads(json.dumps(wanted)))
        return cls(directory, tuple(blocks))

    def path(self, number: int) -> Path:
        """Return where the answers of a block are."""
        return self.directory / _name(number)

    def missing(self) -> list[int]:
        """Return the numbers of the blocks without answers; a file that can't be read is none."""
        parquet = require("pyarrow.parquet", extra="ray", purpose=_PURPOSE)
        arrow = require("pyarrow", extra="ray", purpose=_PURPOSE)
        found = []
        for number in range(len(self.blocks)):
            try:
                parquet.read_metadata(self.path(number))
            except (OSError, arrow.ArrowException):
                found.append(number)
        return found


def _name(number: int) -> str:
    return f"block-{number:05d}.parquet"


def _described(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    return [
        {
            "output": _name(number),
            "input": str(block.path),
            "start": block.start,
            "stop": block.stop,
            "digest": block.digest,
        }
        for number, block in enumerate(blocks)
    ]


def _refuse_other(path: Path, wanted: Mapping[str, Any]) -> None:
    try:
        found = json.loads(path.read_text())
        then, now = found["settings"], wanted["settings"]
        problems = [
            Problem(f"settings.{name}", f"is {then.get(name)!r}, now {now.get(name)!r}")
            for name in sorted({*then, *now})
            if then.get(name) != now.get(name)
        ]
        if len(found["blocks"]) != len(wanted["blocks"]):
            problems.append(
                Problem("blocks", f"were {len(found['blocks'])}, now {len(wanted['blocks'])}")
            )
        pairs = zip(found["blocks"], wanted["blocks"], strict=False)
        problems += [
            Problem(f"blocks: {block['output']}", f"{block['input']!r} has changed")
            for before, block in pairs
            if before != block
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"The manifest cannot be read: {error!r}",
            where=str(path),
            mend="Delete that directory, or choose another one.",
        ) from error
    if problems:
        raise MismatchError(
            f"{str(path.parent)!r} holds answers to something else.",
            problems=problems,
            mend="Delete that directory, or choose another one.",
        )


def digest_of(directory: Path) -> str:
    """Return the SHA-256 of a saved classifier or cascade, by which its answers are known."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in (".json", ".safetensors") and path.name != "run.json":
            digest.update(path.relative_to(directory).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def write_answers(
    path: Path, ids: Sequence[str], answers: Sequence[Prediction | DataError]
) -> None:
    """Write the answers of a block, whole or not at all, also where two processes try at once.

    Columns: ``id``, ``label``, ``probabilities`` (map), ``confidence``, ``exit_layer``,
    ``latency_ms``, and ``error``, which is there where the others are not.

    Parameters
    ----------
    path
        The file.
    ids
        N, of the rows.
    answers
        N predictions, or what was wrong.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    arrow = require("pyarrow", extra="ray", purpose=_PURPOSE)
    parquet = require("pyarrow.parquet", extra="ray", purpose=_PURPOSE)
    schema = arrow.schema(
        [
            ("id", arrow.string()),
            ("label", arrow.string()),
            ("probabilities", arrow.map_(arrow.string(), arrow.float64())),
            ("confidence", arrow.float64()),
            ("exit_layer", arrow.int32()),
            ("latency_ms", arrow.float64()),
            ("error", arrow.string()),
        ]
    )
    rows = [_row(name, answer) for name, answer in zip(ids, answers, strict=True)]
    buffer = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows, schema), buffer)
    trial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    write_atomically(trial, buffer.getvalue())
    trial.replace(path)


def _row(name: str, answer: Prediction | DataError) -> dict[str, Any]:
    if isinstance(answer, DataError):
        return {"id": name, "error": str(answer)}
    # In full: only what is printed is rounded.
    exact = {"confidence": answer.confidence, "probabilities": list(answer.probabilities.items())}
    return {**answer.as_dict(), **exact, "id": name}
