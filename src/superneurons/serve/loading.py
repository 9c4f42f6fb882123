"""Open one base model and put every classifier that is served on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superneurons.activations.site import Site
from superneurons.errors import DataError, MismatchError, Problem, SuperNeuronsError
from superneurons.serve.settings import EngineSettings
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.cascade_artefact import learnt_cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.estimator import Estimator, read_estimator
from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.preparation import Preparation

__all__ = ["Served", "load_served"]

# What makes a base model the same one, in the artefact's words.
_BASE = ("name", "revision", "dtype")


@dataclass(frozen=True)
class Served:
    """A base model and the classifiers on it.

    Parameters
    ----------
    vlm
        The model, as deep as any of them needs.
    estimators
        By name.
    about
        For each, what its artefact says of itself: base model, commit, read-out, records.
    """

    vlm: VLM
    estimators: Mapping[str, Estimator]
    about: Mapping[str, Mapping[str, Any]]


def load_served(
    directories: Sequence[Path],
    settings: EngineSettings | None = None,
    *,
    model: VLM | str | None = None,
    acceleration: Acceleration = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    preparation: Preparation = "auto",
) -> Served:
    """Open one base model, as deep as the deepest classifier needs, and load all onto it.

    Parameters
    ----------
    directories
        What ``save_pretrained`` wrote, of classifiers or cascades; their names are what clients
        call them.
    settings
        Say whether the base model's own logits are wanted.
    model
        The base model; by default the one that all of them name.
    acceleration
        How classifiers run by themselves.
    device, trust_remote_code, preparation
        As in :func:`~superneurons.vlm.opening.open_vlm`, when the model isn't open yet.

    Raises
    ------
    ArtefactError
        When one is damaged.
    DataError
        When two have one name, they are on different base models, or a threshold is for none of
        them; lists all problems, before the model is opened.
    MismatchError
        When some belong to another model, processor or prompt; lists all of those.
    ModelError
        When the model can't be opened.
    """
    settings = settings or EngineSettings()
    configs = _configs(directories)
    _refuse(directories, configs, settings, given=model is not None)
    if not isinstance(model, VLM):
        options = {"device": device, "trust_remote_code": trust_remote_code}
        model = _opened(configs, settings, model, options | {"preparation": preparation})
    return Served(model, _loaded(configs, model, acceleration), _about(configs))


def _configs(directories: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    return {directory: read_estimator(directory) for directory in map(Path, directories)}


def _named(directory: Path) -> str:
    return directory.resolve().name


def _refuse(
    directories: Sequence[Path],
    configs: Mapping[Path, Mapping[str, Any]],
    settings: EngineSettings,
    *,
    given: bool,
) -> None:
    if not directories:
        raise DataError("No classifiers to serve.", mend="Give at least one directory.")
    names = [_named(directory) for directory in map(Path, directories)]
    first = next(iter(configs.values()))["base_model"]
    problems = [
        Problem(name, "is the name of several classifiers")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    problems += [
        Problem(_named(directory), f"is on the base model {base['name']!r}, the first on another")
        for directory, base in ((d, config["base_model"]) for d, config in configs.items())
        if not given and [base[k] for k in _BASE] != [first[k] for k in _BASE]
    ]
    problems += [
        Problem(f"thresholds.{name}", "is for no classifier that is served")
        for name in settings.thresholds
        if name not in names
    ]
    if problems:
        raise DataError(
            "These classifiers can't be served together.",
            problems=problems,
            mend="Serve classifiers on one base model, each directory with a name of its own, and "
            "thresholds for these.",
        )


def _opened(
    configs: Mapping[Path, Mapping[str, Any]],
    settings: EngineSettings,
    name: str | None,
    options: Mapping[str, Any],
) -> VLM:
    base = next(iter(configs.values()))["base_model"]
    name = name or base["name"]
    pinned = {"revision": base["revision"], "dtype": base["dtype"]} if name == base["name"] else {}
    wants_base = bool(settings.thresholds) if settings.base is None else settings.base
    depths = [depth for path, config in configs.items() for depth in _depths(path, config)]
    whole = wants_base or None in depths
    depth = None if whole else min(max(d for d in depths if d is not None), base["layers"])
    return open_vlm(name, depth=depth, **pinned, **options)


def _depths(directory: Path, config: Mapping[str, Any]) -> Iterator[int | None]:
    """How deep an artefact runs; ``None`` where it needs all layers and the head."""
    if config.get("kind") == "cascade":
        cascade = learnt_cascade(Cascade, config, directory)
        yield None if cascade.asks_base_ else cascade.depth_
        return
    site = Site(config["site"]["kind"], config["site"]["position"])
    yield None if site.answers_first else int(config["exit_layer"])


def _loaded(
    configs: Mapping[Path, Mapping[str, Any]], vlm: VLM, acceleration: Acceleration
) -> dict[str, Estimator]:
    found: dict[str, Estimator] = {}
    problems: list[Problem] = []
    for directory, config in configs.items():
        name = _named(directory)
        try:
            if config.get("kind") == "cascade":
                found[name] = Cascade.from_pretrained(directory, vlm)
            else:
                found[name] = SuperNeuronClassifier.from_pretrained(
                    directory, vlm, acceleration=acceleration
                )
        except SuperNeuronsError as error:
            own = error.problems or (Problem(str(directory), error.what),)
            problems += [Problem(f"{name}: {problem.where}", problem.what) for problem in own]
    if problems:
        raise MismatchError(
            f"Some classifiers can't be served on {vlm.name!r}.",
            problems=problems,
            mend="Serve them on the model they were fitted on (same files, dtype and prompt), or "
            "fit them again.",
        )
    return found


def _about(configs: Mapping[Path, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        _named(directory): {
            "base_model": config["base_model"]["name"],
            "revision": config["base_model"]["revision"],
            "kind": config.get("kind", "classifier"),
            "read_out": config["settings"].get("read_out"),
            "records": config["probing_set"].get("records"),
            "resolution": config["settings"].get("resolution"),
        }
        for directory, config in configs.items()
    }
