"""What of a saved classifier goes to the hub: its parts and a card, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.errors import DataError, Problem
from superneurons.export.hub_card import hub_card
from superneurons.export.provenance import licence_of
from superneurons.report.run import Run
from superneurons.report.store import RUN_FILE, read_run
from superneurons.shortcut.artefact import read_tensors
from superneurons.shortcut.hub_fetch import CARD, PARTS
from superneurons.shortcut.hub_name import hub_name
from superneurons.shortcut.hub_pull import check_readable
from superneurons.shortcut.hub_refusal import transport_errors

__all__ = ["Contents", "contents"]

_EVAL = "Give what `superneurons eval … --out` wrote for this classifier, or leave it out."


@dataclass(frozen=True, slots=True)
class Contents:
    """Files for a repository.

    Parameters
    ----------
    files
        By name.
    stays
        Names of what lies in the directory and is not among them.
    has_scores
        Whether the card tells what was measured on other records.
    """

    files: Mapping[str, bytes]
    stays: tuple[str, ...]
    has_scores: bool


def contents(
    directory: Path, name: str, *, run: Path | None = None, base_model: str | None = None
) -> Contents:
    """Read a saved classifier or cascade, and write its card.

    Parameters
    ----------
    directory
        What ``superneurons fit``, ``search`` or ``cascade`` saved.
    name
        Of the repository.
    run
        What ``superneurons eval --out`` kept; by default what lies beside the classifier, if it
        is that. Its figures go into the card; it stays here, for it holds paths, questions and
        small pictures.
    base_model
        Where others find the base model, instead of where it was when this was fitted.

    Raises
    ------
    ArtefactError
        When the classifier or the run cannot be read.
    DataError
        When the run is of another classifier, or nobody else could find the base model.
    """
    config = check_readable(directory)
    kept = _run(directory, run)
    if kept is not None:
        _refuse_other(kept, config, str(run or directory / RUN_FILE))
    parts = {file: (directory / file).read_bytes() for file in PARTS}
    if _renamed(config, base_model, str(directory)):
        config["base_model"] |= {"name": base_model, "revision": None}
        parts[PARTS[0]] = (json.dumps(config, indent=2) + "\n").encode()
    tensors = read_tensors(directory)
    n_neurons = len(tensors["neurons"]) if "neurons" in tensors else 0
    base = config["base_model"]
    licence = _licence(base["name"], base["revision"])
    text = hub_card(config, n_neurons, name, licence=licence, run=kept)
    stays = sorted(file.name for file in directory.iterdir() if file.name not in (*PARTS, CARD))
    return Contents({**parts, CARD: text.encode()}, tuple(stays), kept is not None)


def _run(directory: Path, run: Path | None) -> Run | None:
    if run is not None:
        return read_run(run)
    beside = directory / RUN_FILE
    found = read_run(beside) if beside.exists() else None
    return found if found is not None and found.kind == "eval" else None


def _refuse_other(run: Run, config: Mapping[str, Any], where: str) -> None:
    """A card must not tell the scores of another classifier."""
    if config.get("kind") == "cascade":
        raise DataError("No run is of a cascade.", where=where, mend="Leave it out.")
    if run.kind != "eval":
        raise DataError(f"This run is of `{run.kind}`, not of `eval`.", where=where, mend=_EVAL)
    told = {
        "fingerprint": config["base_model"]["fingerprint"],
        "exit_layer": config["exit_layer"],
        "read_out": config["read_out"]["name"],
        "probing_records": config["probing_set"].get("records"),
        "prompt": config["prompt"]["frame"],
    }
    problems = [
        Problem(field, f"{run.setting.get(field)!r}, of the classifier {wanted!r}")
        for field, wanted in told.items()
        if run.setting.get(field) != wanted
    ]
    if list(run.labels) != config["labels"] and config["labels"]:
        problems.append(Problem("labels", f"{list(run.labels)}, not {config['labels']}"))
    if problems:
        raise DataError(
            "This run is of another classifier.", problems=problems, where=where, mend=_EVAL
        )


def _renamed(config: Mapping[str, Any], base_model: str | None, where: str) -> bool:
    named = config["base_model"]["name"]
    wanted = named if base_model is None else base_model
    if wanted != "demo" and hub_name(wanted) is None:
        raise DataError(
            f"Nobody else finds the base model at {wanted!r}.",
            where=f"{where}: base_model.name",
            mend="Say where it is on the hub (base_model=, --base-model owner/name). Whoever loads "
            "the classifier has the weights compared with those that it was fitted on.",
        )
    return wanted != named


def _licence(name: str, revision: str | None) -> str | None:
    """What the base model's own card names; unknown, if that can't be had."""
    if "/" not in name:
        return licence_of(name)
    import huggingface_hub

    try:
        card = huggingface_hub.HfApi().model_info(name, revision=revision).card_data
    except transport_errors():
        return None
    licence = None if card is None else card.get("license")
    return licence if isinstance(licence, str) else None
