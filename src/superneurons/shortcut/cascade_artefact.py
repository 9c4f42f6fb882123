"""Save and load a fitted cascade: the artefact of a classifier, with several stages in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from superneurons.activations.site import Neuron
from superneurons.errors import ArtefactError, Problem
from superneurons.probes.base import ReadOutState
from superneurons.probes.registry import READ_OUTS
from superneurons.shortcut.artefact import (
    check_output,
    read_any,
    read_tensors,
    unfitted,
    write_artefact,
)
from superneurons.shortcut.belonging import belongs_to, refuse_mismatch
from superneurons.shortcut.card import cascade_card
from superneurons.shortcut.cascade_fit import Verified
from superneurons.shortcut.cascade_stages import SITE, Stage
from superneurons.shortcut.schema import check_cascade

if TYPE_CHECKING:
    from superneurons.shortcut.cascade import Cascade
    from superneurons.vlm.model import VLM

__all__ = ["learnt_cascade", "load_cascade", "read_cascade_config", "save_cascade"]

_SETTINGS = (
    "balanced",
    "base_answer",
    "batch_size",
    "caution",
    "costs",
    "layers",
    "prompt_order",
    "prompt_template",
    "random_state",
    "read_out",
    "read_out_params",
    "resolution",
    "target_accuracy",
)
_MEND = "Fit and save the cascade again."

_Cascade = TypeVar("_Cascade", bound="Cascade")


def save_cascade(cascade: Cascade, directory: Path, *, overwrite: bool = False) -> None:
    """Write a fitted cascade to a directory, whole or not at all.

    Raises
    ------
    OutputError
        When the directory is taken or cannot be written.
    NotFittedError
        Before ``fit``.
    """
    check_is_fitted(cascade, "stages_")
    check_output(directory, overwrite=overwrite)
    stages, tensors = [], {}
    for number, stage in enumerate(cascade.stages_):
        state = stage.read_out.get_state()
        stages.append(
            {
                "layer": stage.layer,
                "base_answer": stage.is_base,
                "read_out": {
                    "name": stage.read_out.name,
                    "classes": stage.read_out.classes_.tolist(),
                    "values": dict(state.values),
                },
            }
        )
        places = [(neuron.layer, neuron.index) for neuron in stage.neurons]
        tensors[f"{number}.neurons"] = np.array(places, dtype=np.int64).reshape(-1, 2)
        tensors |= {f"{number}.read_out.{k}": v for k, v in state.arrays.items()}
    # Among the tensors, since JSON has no infinity.
    tensors["thresholds"] = np.array([stage.threshold for stage in cascade.stages_])
    config = _config(cascade) | {"stages": stages}
    write_artefact(directory, config, tensors, cascade_card(config))


def _config(cascade: Cascade) -> dict[str, Any]:
    plain = {"layers": _listed(cascade.layers), "costs": _listed(cascade.costs)}
    return {
        "kind": "cascade",
        **belongs_to(cascade.vlm, cascade.prompt, cascade.depth_, head=cascade.asks_base_),
        "site": {"kind": SITE.kind, "position": SITE.position},
        "labels": cascade.classes_.tolist(),
        "form": cascade.form_,
        "question": cascade.question_,
        "costs": list(cascade.costs_),
        "target": {"accuracy": cascade.target_, "met": cascade.met_},
        "verified": asdict(cascade.verified_),
        "probing_set": cascade.probing_,
        "settings": {name: getattr(cascade, name) for name in _SETTINGS} | plain,
    }


def _listed(values: Any) -> list[Any] | None:
    return None if values is None else [getattr(v, "item", lambda v=v: v)() for v in values]


def read_cascade_config(directory: Path) -> dict[str, Any]:
    """Read and check the configuration of a cascade.

    Raises
    ------
    ArtefactError
        When it is missing, is no cascade's, or lacks fields; lists every problem.
    """
    config = read_any(directory)
    check_cascade(config, "config.json")
    return config


def load_cascade(
    cls: type[_Cascade], directory: Path, model: VLM | str | None = None, **params: Any
) -> _Cascade:
    """Load a cascade and, of the model it belongs to, the layers that it can come to.

    Parameters
    ----------
    cls
        The class to make.
    directory
        What :func:`save_cascade` wrote.
    model
        The base model; by default the one the artefact names, at the same commit.
    params
        Constructor parameters to set, such as ``batch_size`` or ``device``.

    Raises
    ------
    ArtefactError
        When the artefact is damaged.
    MismatchError
        When the model, its processor or its prompt is not what the cascade was fitted on; says
        what differs.
    ModelError
        When the model cannot be opened, or has fewer layers than the cascade runs.
    """
    config = read_cascade_config(directory)
    cascade = learnt_cascade(cls, config, directory, model, params)
    head = cascade.asks_base_
    cascade.open(None if head else cascade.depth_)
    refuse_mismatch(cascade.vlm, cascade.prompt, config, cascade.depth_, head=head)
    return cascade


def learnt_cascade(
    cls: type[_Cascade],
    config: Mapping[str, Any],
    directory: Path,
    model: VLM | str | None = None,
    params: Mapping[str, Any] = MappingProxyType({}),
) -> _Cascade:
    """Load what a cascade learnt without opening its base model, as :func:`load_cascade` does."""
    cascade = unfitted(cls, config, _SETTINGS, model, params)
    cascade.stages_ = _stages(config, read_tensors(directory), directory)
    cascade.costs_ = tuple(config["costs"])
    cascade.form_, cascade.question_ = config["form"], config["question"]
    cascade.classes_ = np.array(config["labels"], dtype=np.str_)
    cascade.target_, cascade.met_ = config["target"]["accuracy"], config["target"]["met"]
    verified = config["verified"]
    cascade.verified_ = Verified(**{**verified, "shares": tuple(verified["shares"])})
    cascade.probing_ = config["probing_set"]
    _refuse_contradictions(cascade, config, directory)
    return cascade


def _stages(
    config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], directory: Path
) -> tuple[Stage, ...]:
    try:
        stages = tuple(
            _stage(stored, number, tensors) for number, stored in enumerate(config["stages"])
        )
        if not stages:
            raise ValueError("no stages")
    except ArtefactError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise ArtefactError(
            f"The tensors of this cascade don't fit its configuration: {error!r}",
            where=str(directory),
            mend=_MEND,
        ) from error
    return stages


def _stage(stored: Mapping[str, Any], number: int, tensors: Mapping[str, NDArray[Any]]) -> Stage:
    """Rebuild a stage; an answer to anything shows whether all that was learnt fits together."""
    start = f"{number}.read_out."
    arrays = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    classes = np.array(stored["read_out"]["classes"], dtype=np.str_)
    state = ReadOutState(arrays, stored["read_out"]["values"])
    read_out = READ_OUTS[stored["read_out"]["name"]].from_state(state, classes)
    neurons = tuple(Neuron(int(k), int(i)) for k, i in tensors[f"{number}.neurons"])
    if stored["base_answer"] == bool(neurons):
        raise ValueError(f"stage {number} reads neurons and is the base model's answer, or neither")
    reads = len(neurons) or read_out.n_features_in_
    if read_out.predict_proba(np.ones((1, reads))).shape != (1, len(classes)):
        raise ValueError(f"stages.{number}.read_out.classes")
    return Stage(int(stored["layer"]), read_out, neurons, float(tensors["thresholds"][number]))


def _refuse_contradictions(cascade: Cascade, config: Mapping[str, Any], directory: Path) -> None:
    """What is said twice, or follows from something else, must agree."""
    stages, labels = cascade.stages_, config["labels"]
    width, n_layers = config["base_model"]["hidden_size"], config["base_model"]["layers"]
    layers = [stage.layer for stage in stages]
    classes = stages[0].read_out.classes_.tolist()
    inside = all(
        1 <= n.layer <= stage.layer and 0 <= n.index < width
        for stage in stages
        for n in stage.neurons
    )
    alike = all(stage.read_out.classes_.tolist() == classes for stage in stages)
    fits = labels == classes if config["form"] == "direct" else not labels
    within = layers[0] >= 1 and layers[-1] <= n_layers
    whole = all(stage.layer == n_layers for stage in stages if stage.is_base)
    base_is_last = not any(stage.is_base for stage in stages[:-1])
    sure = [stage.threshold for stage in stages]
    checks = (
        ("stages.layer", layers == sorted(layers) and within and whole, f"{layers} of {n_layers}"),
        ("stages.base_answer", base_is_last, "the base model's answer isn't the last"),
        ("stages.read_out.classes", alike, "not the same at each stage"),
        ("form", fits and config["form"] in ("direct", "lettered"), f"doesn't go with {labels!r}"),
        ("neurons", inside, f"not all in the stage's layers of {width}"),
        ("thresholds", sure[-1] == 0 and all(t >= 0 for t in sure), f"{sure} don't answer all"),
        ("costs", len(config["costs"]) == len(stages), f"not {len(stages)}"),
        ("verified.shares", len(cascade.verified_.shares) == len(stages), f"not {len(stages)}"),
    )  # fmt: skip
    problems = [Problem(place, what) for place, right, what in checks if not right]
    if problems:
        raise ArtefactError(
            "The parts of this cascade contradict each other.",
            problems=problems,
            where=str(directory),
            mend=_MEND,
        )
