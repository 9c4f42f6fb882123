"""Save and load a fitted classifier: a directory of JSON and safetensors, a few kB.

``config.json`` says what it belongs to and how it was made, ``classifier.safetensors`` holds the
chosen neurons and what the read-out learnt. Nothing in it can run code, and nothing in it depends
on when it was made: the same fit gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors
from sklearn.utils.validation import check_is_fitted

from superneurons.activations.site import Neuron, Site
from superneurons.activations.store import write_atomically
from superneurons.errors import ArtefactError, DataError, OutputError, Problem
from superneurons.probes.base import ReadOutState
from superneurons.probes.registry import READ_OUTS
from superneurons.shortcut.belonging import belongs_to, refuse_mismatch
from superneurons.shortcut.card import card
from superneurons.shortcut.form import Form
from superneurons.shortcut.hub import artefact_directory
from superneurons.shortcut.reading import tower_for
from superneurons.shortcut.schema import check_config
from superneurons.task.lettered import LETTERS
from superneurons.task.unroll import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from superneurons.shortcut.base_model import OnBaseModel
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.vlm.model import VLM

__all__ = [
    "check_output",
    "learnt",
    "load",
    "read_any",
    "read_config",
    "read_tensors",
    "save",
    "unfitted",
    "write_artefact",
]

_CONFIG = "config.json"
_TENSORS = "classifier.safetensors"
_OURS = {"format", "base_model", "read_out", "exit_layer", "probing_set"}
_SETTINGS = (
    "balanced",
    "batch_size",
    "max_layer",
    "multiclass",
    "position",
    "prompt_order",
    "prompt_template",
    "random_state",
    "read_out",
    "read_out_params",
    "resolution",
    "site",
)

_Estimator = TypeVar("_Estimator", bound="OnBaseModel")
_Classifier = TypeVar("_Classifier", bound="SuperNeuronClassifier")


def check_output(directory: Path, *, overwrite: bool = False) -> None:
    """Make sure that an artefact can be written, before anything is computed for it.

    Raises
    ------
    OutputError
        When the directory is taken, or its parent cannot be written.
    """
    if directory.exists() and not overwrite:
        raise OutputError(
            f"{str(directory)!r} exists already.",
            where=str(directory),
            mend="Choose another directory, or allow overwriting (--overwrite).",
        )
    if directory.exists() and not (directory.is_dir() and _replaceable(directory)):
        raise OutputError(
            f"{str(directory)!r} holds something other than a classifier; it is not overwritten.",
            where=str(directory),
            mend="Choose another directory.",
        )
    trial = directory.parent / f".{directory.name}.{uuid.uuid4().hex}"
    write_atomically(trial, b"")
    trial.unlink()


def _replaceable(directory: Path) -> bool:
    return (directory / _TENSORS).exists() or not any(directory.iterdir())


def save(classifier: SuperNeuronClassifier, directory: Path, *, overwrite: bool = False) -> None:
    """Write a fitted classifier to a directory, whole or not at all.

    Raises
    ------
    OutputError
        When the directory is taken or cannot be written.
    NotFittedError
        Before ``fit``.
    """
    check_is_fitted(classifier, "read_out_")
    check_output(directory, overwrite=overwrite)
    config = _config(classifier)
    state = classifier.read_out_.get_state()
    neurons = np.array([(n.layer, n.index) for n in classifier.neurons_], dtype=np.int64)
    tensors = {"neurons": neurons, **{f"read_out.{k}": v for k, v in state.arrays.items()}}
    write_artefact(directory, config, tensors, card(config, len(neurons)))


def write_artefact(
    directory: Path, config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], readme: str
) -> None:
    """Write the parts of an artefact, replacing what is there, whole or not at all.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    partial = directory.parent / f".{directory.name}.{uuid.uuid4().hex}"
    write_atomically(partial / _CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    arrays = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
    write_atomically(partial / _TENSORS, to_safetensors(arrays))
    write_atomically(partial / "README.md", readme.encode())
    if directory.exists():
        shutil.rmtree(directory)
    partial.rename(directory)


def _config(classifier: SuperNeuronClassifier) -> dict[str, Any]:
    vlm, site = classifier.vlm, classifier.site_
    state = classifier.read_out_.get_state()
    return {
        **belongs_to(vlm, classifier.prompt, classifier.exit_layer_, **_runs_too(classifier)),
        "site": {"kind": site.kind, "position": site.position, "width": vlm.shape(site.kind)[1]},
        "labels": classifier.classes_.tolist(),
        "form": classifier.form_,
        "question": classifier.question_,
        "read_out": {
            "name": classifier.read_out,
            "classes": classifier.read_out_.classes_.tolist(),
            "values": dict(state.values),
        },
        "exit_layer": classifier.exit_layer_,
        "probing_set": classifier.probing_,
        "settings": {name: getattr(classifier, name) for name in _SETTINGS},
    }


def _runs_too(classifier: SuperNeuronClassifier) -> dict[str, Any]:
    """What runs besides decoder layers: the head for a generated token, layers of the tower."""
    site = classifier.site_
    deepest = max(neuron.layer for neuron in classifier.neurons_)
    return {"head": site.answers_first, "tower": tower_for(site, deepest)}


def read_config(directory: Path) -> dict[str, Any]:
    """Read and check the configuration of a classifier.

    Raises
    ------
    ArtefactError
        When it is missing, is no JSON, or lacks fields; lists every problem.
    """
    config = read_any(directory)
    if config.get("kind") == "cascade":
        raise ArtefactError(
            f"{str(directory)!r} holds a cascade, not a classifier with one exit.",
            where=str(directory / _CONFIG),
            mend="Load it with Cascade.from_pretrained.",
        )
    check_config(config, _CONFIG)
    return config


def read_any(directory: Path) -> dict[str, Any]:
    """Read the configuration of a classifier or a cascade; its fields are not checked.

    Raises
    ------
    ArtefactError
        When it is missing, is no JSON, or something else's.
    """
    path = artefact_directory(directory) / _CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        gone = f"There is no classifier in {str(directory)!r}: {getattr(error, 'strerror', '')}."
        raise ArtefactError(
            gone if isinstance(error, OSError) else f"The {_CONFIG} here is no JSON: {error}",
            where=str(path),
            mend="Give the directory that `superneurons fit --out` wrote.",
        ) from error
    if not (isinstance(config, dict) and config.keys() & _OURS):
        raise ArtefactError(
            f"There is no classifier in {str(directory)!r}: its {_CONFIG} is something else's.",
            where=str(path),
            mend="Give the directory that `superneurons fit --out` wrote.",
        )
    return dict(config)


def load(
    cls: type[_Classifier],
    directory: Path,
    model: VLM | str | None = None,
    *,
    whole: bool = False,
    **params: Any,
) -> _Classifier:
    """Load a classifier and, of the model it belongs to, the layers that it runs.

    Parameters
    ----------
    cls
        The class to make.
    directory
        What :func:`save` wrote.
    model
        The base model; by default the one the artefact names, at the same commit.
    whole
        Open all layers of it, to compare with.
    params
        Constructor parameters to set, such as ``batch_size`` or ``device``.

    Raises
    ------
    ArtefactError
        When the artefact is damaged.
    MismatchError
        When the model, its processor or its prompt is not what the classifier was fitted on; says
        what differs.
    ModelError
        When the model cannot be opened, or has fewer layers than the classifier runs.
    """
    config = read_config(directory)
    base, classifier = config["base_model"], learnt(cls, config, directory, model, params)
    runs_too = _runs_too(classifier)
    if whole or runs_too["head"]:
        classifier.open()
    else:
        depth = max(0, min(config["exit_layer"], base["layers"]))
        classifier.open(depth, tower_layers=runs_too["tower"])
    refuse_mismatch(classifier.vlm, classifier.prompt, config, config["exit_layer"], **runs_too)
    _refuse_contradictions(classifier, config, directory)
    return classifier


def learnt(
    cls: type[_Classifier], config: Mapping[str, Any], directory: Path,
    model: VLM | str | None = None, params: Mapping[str, Any] = MappingProxyType({}),
) -> _Classifier:  # fmt: skip
    """Load what a classifier learnt without opening its base model, as :func:`load` does."""
    classifier = unfitted(cls, config, _SETTINGS, model, params)
    classifier.site_ = _site(config["site"], directory / _CONFIG)
    _take_learnt(classifier, config, directory / _TENSORS)
    classifier.exit_layer_, classifier.probing_ = config["exit_layer"], config["probing_set"]
    classifier.form_, classifier.question_ = config["form"], config["question"]
    classifier.classes_ = np.array(config["labels"], dtype=np.str_)
    return classifier


def unfitted(
    cls: type[_Estimator],
    config: Mapping[str, Any],
    names: Collection[str],
    model: VLM | str | None,
    params: Mapping[str, Any],
) -> _Estimator:
    """Make an estimator with the parameters that an artefact keeps.

    Parameters
    ----------
    cls
        The class to make.
    config
        The artefact's configuration.
    names
        Parameters that are taken from its settings, where they are there.
    model
        The base model; by default the one the artefact names, at the same commit, also when it
        is given by that name.
    params
        Parameters that win over those.
    """
    base, stored = config["base_model"], config["settings"]
    settings = {name: stored[name] for name in names if name in stored}
    named = base["name"] if model is None else model
    pinned = {"dtype": base["dtype"], "revision": base["revision"]} if named == base["name"] else {}
    return cls.from_model(named, **{**settings, **pinned, **params})


def _take_learnt(classifier: SuperNeuronClassifier, config: Mapping[str, Any], path: Path) -> None:
    """Set the neurons and the read-out over them."""
    tensors = read_tensors(path.parent)
    arrays = {k.removeprefix("read_out."): v for k, v in tensors.items() if k != "neurons"}
    try:
        classifier.neurons_ = [Neuron(int(layer), int(i)) for layer, i in tensors["neurons"]]
        classes = np.array(config["read_out"]["classes"], dtype=np.str_)
        state = ReadOutState(arrays, config["read_out"]["values"])
        read_out = READ_OUTS[config["read_out"]["name"]]
        classifier.read_out_ = read_out.from_state(state, classes)
        # An answer to anything shows whether all that was learnt fits together.
        trial = np.ones((1, len(classifier.neurons_)), dtype=np.float32)
        if classifier.read_out_.predict_proba(trial).shape != (1, len(classes)):
            raise ValueError("read_out.classes")
    except ArtefactError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise ArtefactError(
            f"The tensors of this classifier don't fit its configuration: {error!r}",
            where=str(path),
            mend="Fit and save the classifier again.",
        ) from error


def _site(stored: Mapping[str, Any], path: Path) -> Site:
    try:
        return Site(stored["kind"], stored["position"])
    except DataError as error:
        raise ArtefactError(
            f"This classifier reads what this version doesn't know: {error.what}",
            where=f"{path}: site",
            mend="Update superneurons, or fit and save the classifier again.",
        ) from error


def _refuse_contradictions(
    classifier: SuperNeuronClassifier, config: Mapping[str, Any], directory: Path
) -> None:
    """What is said twice, or follows from something else, must agree."""
    vlm, site, neurons = classifier.vlm, classifier.site_, classifier.neurons_
    depth, width = vlm.shape(site.kind)
    inside = all(1 <= n.layer <= depth and 0 <= n.index < width for n in neurons)
    exit_layer = site.exit_layer(max(neuron.layer for neuron in neurons), vlm.n_layers)
    labels, classes = config["labels"], config["read_out"]["classes"]
    wanted = _classes_of(classifier.form_, labels, classes)
    checks = (
        ("site.width", config["site"]["width"] == width, f"{site} is {width} wide"),
        ("neurons", inside, f"not all in {depth} layers of {width}"),
        ("exit_layer", exit_layer == classifier.exit_layer_, f"the neurons need {exit_layer}"),
        ("form", wanted is not None, f"{classifier.form_!r} doesn't go with labels {labels!r}"),
        ("read_out.classes", wanted in (None, classes), f"should be {wanted!r}"),
    )
    problems = [Problem(place, what) for place, right, what in checks if not right]
    if problems:
        raise ArtefactError(
            "The parts of this classifier contradict each other.",
            problems=problems,
            where=str(directory),
            mend="Fit and save the classifier again.",
        )


def _classes_of(form: Form, labels: list[Any], classes: list[Any]) -> list[Any] | None:
    """What the read-out tells apart, asked in a form; ``None`` where form and labels don't fit."""
    if form == "direct" and len(labels) > 1:
        return labels
    if form == "unrolled" and len(labels) != 2:
        return [NEGATIVE, POSITIVE]
    if form == "lettered" and not labels:
        return [letter for letter in LETTERS if letter in classes]
    return None


def read_tensors(directory: Path) -> dict[str, NDArray[Any]]:
    """Read what was learnt.

    Raises
    ------
    ArtefactError
        When it is missing or damaged.
    """
    path = artefact_directory(directory) / _TENSORS
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ArtefactError(
            f"The tensors of this classifier cannot be read: {error}",
            where=str(path),
            mend="Fit and save the classifier again.",
        ) from error
