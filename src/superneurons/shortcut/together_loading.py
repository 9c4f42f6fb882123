"""Load several classifiers onto one base model, to be asked together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from superneurons.activations.site import Site
from superneurons.errors import DataError, Problem
from superneurons.shortcut.artefact import read_config
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.together import Together, why_apart
from superneurons.vlm.acceleration import Acceleration
from superneurons.vlm.model import VLM
from superneurons.vlm.opening import open_vlm
from superneurons.vlm.preparation import Preparation
from superneurons.vlm.prompt import Prompt

__all__ = ["load_together", "refuse_apart"]

# What makes a base model the same one, in the artefact's words.
_BASE = ("name", "revision", "dtype")


def load_together(
    directories: Sequence[Path],
    model: VLM | str | None = None,
    *,
    acceleration: Acceleration = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    preparation: Preparation = "auto",
) -> Together:
    """Open one base model, as deep as the deepest classifier needs, and load them all onto it.

    Parameters
    ----------
    directories
        What ``save_pretrained`` wrote; their paths are the classifiers' names.
    model
        The base model; by default the one that all of them name.
    acceleration
        As of :class:`~superneurons.shortcut.together.Together`.
    device, trust_remote_code, preparation
        As in :func:`~superneurons.vlm.opening.open_vlm`, when the model isn't open yet.

    Raises
    ------
    ArtefactError
        When one is damaged, or belongs to another model than the one that is opened.
    DataError
        When some can't be asked together; lists all of those, and why, before the model is opened.
    ModelError
        When the model can't be opened.
    """
    refuse_apart(directories, model_given=model is not None)
    configs = _configs(directories)
    if not isinstance(model, VLM):
        options = {"device": device, "trust_remote_code": trust_remote_code}
        model = _opened(configs, model, options | {"preparation": preparation})
    classifiers = {
        name: SuperNeuronClassifier.from_pretrained(name, model, acceleration=acceleration)
        for name in configs
    }
    return Together(classifiers, acceleration=acceleration)


def _opened(
    configs: Mapping[str, Mapping[str, Any]], name: str | None, options: Mapping[str, Any]
) -> VLM:
    base = next(iter(configs.values()))["base_model"]
    layers = min(max(config["exit_layer"] for config in configs.values()), base["layers"])
    name = name or base["name"]
    pinned = {"revision": base["revision"], "dtype": base["dtype"]} if name == base["name"] else {}
    return open_vlm(name, depth=layers, **pinned, **options)


def _configs(directories: Sequence[Path]) -> dict[str, dict[str, Any]]:
    return {str(directory): read_config(directory) for directory in directories}


def refuse_apart(directories: Sequence[Path], *, model_given: bool = False) -> None:
    """Refuse classifiers that can't be asked together, without opening a model.

    Parameters
    ----------
    directories
        As for :func:`load_together`.
    model_given
        Whether they will be put on a model that was named, whatever they name.

    Raises
    ------
    ArtefactError
        When one is damaged, or none.
    DataError
        When some can't be asked together; lists all of those, and why.
    """
    configs = _configs(directories)
    problems = [
        Problem(name, what)
        for name, config in configs.items()
        for what in _obstacles(config, next(iter(configs.values())), given=model_given)
    ]
    if len(configs) < len(directories):
        problems.append(Problem(", ".join(map(str, directories)), "one is named twice"))
    if problems:
        raise DataError(
            "Some classifiers can't be asked together.",
            problems=problems,
            mend="Ask these by themselves. Together go classifiers on one base model, each fitted "
            "for one question that is asked after the picture.",
        )


def _obstacles(
    config: Mapping[str, Any], first: Mapping[str, Any], *, given: bool
) -> Iterator[str]:
    settings, base = config["settings"], config["base_model"]
    if not given and [base[k] for k in _BASE] != [first["base_model"][k] for k in _BASE]:
        yield f"is on the base model {base['name']!r}, the first on another"
    if settings.get("resolution") != first["settings"].get("resolution"):
        yield "sees pictures at another resolution than the first"
    site = Site(config["site"]["kind"], config["site"]["position"])
    prompts = _prompt(settings), _prompt(first["settings"])
    yield from why_apart(config["form"], config["question"], prompts, site)


def _prompt(settings: Mapping[str, Any]) -> Prompt:
    order = settings.get("prompt_order", "picture-first")
    return Prompt(order, settings.get("prompt_template"))
