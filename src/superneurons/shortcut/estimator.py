"""Whatever was saved in a directory: a classifier with one exit, or a cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from superneurons.errors import DataError
from superneurons.shortcut.artefact import read_any, read_config
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_artefact import read_cascade_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.model import VLM

__all__ = ["Estimator", "is_cascade", "load_estimator", "read_estimator"]

Estimator: TypeAlias = SuperNeuronClassifier | Cascade
"""A classifier with one exit, or a cascade."""


def is_cascade(directory: Path) -> bool:
    """Whether a directory holds a cascade.

    Raises
    ------
    ArtefactError
        When nothing of ours is there.
    """
    return bool(read_any(directory).get("kind") == "cascade")


def read_estimator(directory: Path) -> dict[str, Any]:
    """Read and check the configuration of a classifier or a cascade.

    Raises
    ------
    ArtefactError
        When it is missing, or lacks fields; lists every problem.
    """
    return read_cascade_config(directory) if is_cascade(directory) else read_config(directory)


def load_estimator(
    directory: Path,
    model: VLM | str | None = None,
    *,
    acceleration: Acceleration = "auto",
    **params: Any,
) -> Estimator:
    """Load a classifier or a cascade onto its base model.

    Parameters
    ----------
    directory
        What ``save_pretrained`` wrote, on disk or on the hub.
    model
        The base model, if it is elsewhere now.
    acceleration
        How a classifier runs; a cascade runs stage by stage.
    params
        Further ones of the constructor.

    Raises
    ------
    ArtefactError, MismatchError, ModelError
        As ``from_pretrained`` does.
    DataError
        When a cascade is to be accelerated.
    """
    if not is_cascade(directory):
        return SuperNeuronClassifier.from_pretrained(
            directory, model, acceleration=acceleration, **params
        )
    if acceleration != "auto":
        raise DataError(
            f"A cascade runs stage by stage; it can't be run as {acceleration!r}.",
            where="acceleration",
            mend="Leave it out, or fit a classifier with one exit.",
        )
    return Cascade.from_pretrained(directory, model, **params)
