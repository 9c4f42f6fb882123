"""Keep an amplification: one JSON file of a few kB that can run no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superneurons.activations.store import write_atomically
from superneurons.amplify.amplification import Amplification, Where
from superneurons.amplify.gate import Gate
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.neurons import TaskNeurons
from superneurons.errors import ArtefactError, OutputError, Problem, SuperNeuronsError

__all__ = ["FORMAT", "Amplifier"]

FORMAT = 1
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "format": int,
    "kind": str,
    "model": dict,
    "task": str,
    "found": str,
    "layer": int,
    "columns": list,
    "scores": list,
    "multiplier": (int, float),
    "position": str,
    "gate": (int, float),
}


@dataclass(frozen=True)
class Amplifier:
    """All that amplifies one task on one model.

    Parameters
    ----------
    neurons
        Which are amplified.
    multiplier
        By how much.
    gate
        When: at a threshold above 1 always.
    position
        At which tokens.
    model_name, revision
        How the model was asked for; which one it is, its fingerprint says.
    """

    neurons: TaskNeurons
    multiplier: float
    gate: Gate
    position: Where = "last"
    model_name: str = ""
    revision: str | None = None

    @property
    def amplification(self) -> Amplification:
        """What is multiplied."""
        return self.neurons.amplification(self.multiplier, position=self.position)

    def check(self, model: LanguageModel) -> None:
        """Make sure that a model is the one it belongs to.

        Raises
        ------
        MismatchError, DataError, ModelError
            As :meth:`~superneurons.amplify.amplification.Amplification.check` does.
        """
        self.amplification.check(model)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "format": FORMAT,
            "kind": "amplifier",
            "model": {
                "name": self.model_name,
                "revision": self.revision,
                "fingerprint": self.neurons.model,
            },
            "task": self.neurons.task,
            "found": self.neurons.found,
            "layer": self.neurons.layer,
            "columns": self.neurons.columns.tolist(),
            "scores": [round(float(score), 6) for score in self.neurons.scores],
            "multiplier": self.multiplier,
            "position": self.position,
            "gate": self.gate.threshold,
        }

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write it; the same amplifier gives the same bytes.

        Raises
        ------
        OutputError
            When the place is taken or cannot be written.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise OutputError(
                f"{str(path)!r} exists already.",
                where=str(path),
                mend="Choose another file, or allow overwriting (--overwrite).",
            )
        write_atomically(path, (json.dumps(self.as_dict(), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> Amplifier:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ArtefactError
            When it is missing or damaged; lists every field that is wrong.
        """
        path = Path(path)
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtefactError(
                f"There is no amplifier in {str(path)!r}: {error}",
                where=str(path),
                mend="Give the file that `superneurons amplify find --out` wrote.",
            ) from error
        problems = _problems(stored)
        if not problems:
            try:
                return cls._of(stored)
            except (SuperNeuronsError, ValueError, TypeError, OverflowError) as error:
                problems = [Problem("values", str(error).splitlines()[0])]
        raise ArtefactError(
            "This is no amplifier, or a damaged one.",
            problems=problems,
            where=str(path),
            mend="Find and save the neurons again, or update superneurons.",
        )

    @classmethod
    def _of(cls, stored: Mapping[str, Any]) -> Amplifier:
        columns = np.asarray(stored["columns"])
        if columns.dtype.kind != "i":
            raise ValueError("columns are no whole numbers")
        neurons = TaskNeurons(
            stored["layer"], columns.astype(np.int64), np.array(stored["scores"], dtype=np.float64),
            stored["task"], stored["model"]["fingerprint"], stored["found"],
        )  # fmt: skip
        model = stored["model"]
        made = cls(
            neurons, float(stored["multiplier"]), Gate(float(stored["gate"])), stored["position"],
            model["name"], model["revision"],
        )  # fmt: skip
        assert made.amplification  # its own checks
        return made


def _problems(stored: Any) -> list[Problem]:
    if not isinstance(stored, dict):
        return [Problem("file", "no JSON object")]
    problems = [
        Problem(name, "missing" if name not in stored else f"is {stored[name]!r:.40}")
        for name, kind in _FIELDS.items()
        if not isinstance(stored.get(name), kind) or isinstance(stored.get(name), bool)
    ]
    if problems:
        return problems
    if (stored["format"], stored["kind"]) != (FORMAT, "amplifier"):
        problems.append(Problem("format", f"{stored['kind']} {stored['format']}"))
    for name, kind in (("name", str), ("fingerprint", str), ("revision", (str, type(None)))):
        if name not in stored["model"] or not isinstance(stored["model"][name], kind):
            problems.append(Problem(f"model.{name}", "missing or of another kind"))
    return problems
