"""What an artefact's ``config.json`` has to look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from superneurons.errors import ArtefactError, ModelError, Problem
from superneurons.vlm.prompt import Prompt

__all__ = ["FORMAT", "check_cascade", "check_config"]

FORMAT = 1

_Shape: TypeAlias = "type | tuple[type, ...] | dict[str, _Shape]"

_TEXT_OR_NONE = (str, type(None))
# A name with "?" may be missing: artefacts that were written before it was thought of still load.
_CONFIG: dict[str, _Shape] = {
    "format": int,
    "versions": {"superneurons": str, "torch": str, "transformers": str},
    "base_model": {
        "name": str,
        "revision": _TEXT_OR_NONE,
        "family": str,
        "dtype": str,
        "fingerprint": str,
        "layers": int,
        "hidden_size": int,
        "processor": dict,
    },
    "prompt": {"order": str, "template?": _TEXT_OR_NONE, "frame": str, "sha256": str},
    "site": {"kind": str, "position": str, "width": int},
    "labels": list,
    "form": str,
    "question": _TEXT_OR_NONE,
    "read_out": {"name": str, "classes": list, "values": dict},
    "exit_layer": int,
    "probing_set": dict,
    "settings": dict,
}
_CASCADE: dict[str, _Shape] = {
    **{name: _CONFIG[name] for name in ("format", "versions", "base_model", "prompt", "labels")},
    **{name: _CONFIG[name] for name in ("form", "question", "probing_set", "settings")},
    "kind": str,
    "site": {"kind": str, "position": str},
    "stages": list,
    "costs": list,
    "target": {"accuracy": float, "met": bool},
    "verified": {
        "records": int,
        "accuracy": float,
        "wanted": float,
        "cost": float,
        "shares": list,
    },
}

_PROMPT = {"prompt_order": "order", "prompt_template": "template"}


def check_config(config: Any, where: str) -> None:
    """Check the fields of a classifier's configuration.

    Raises
    ------
    ArtefactError
        Lists every field that is missing or of the wrong type; or says that the artefact was
        written by a later version.
    """
    _check(config, _CONFIG, where, "classifier")


def check_cascade(config: Any, where: str) -> None:
    """Check the fields of a cascade's configuration.

    Raises
    ------
    ArtefactError
        As :func:`check_config`; also when it is a classifier with one exit.
    """
    if isinstance(config, dict) and config.get("kind") != "cascade":
        raise ArtefactError(
            "This is a classifier with one exit, not a cascade.",
            where=where,
            mend="Load it with SuperNeuronClassifier.from_pretrained.",
        )
    _check(config, _CASCADE, where, "cascade")


def _check(config: Any, shape: _Shape, where: str, what: str) -> None:
    found = config.get("format") if isinstance(config, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise ArtefactError(
            f"This artefact has format {found}; this version reads up to {FORMAT}.",
            where=where,
            mend="Update superneurons.",
        )
    problems = _problems(config, shape, "") or _prompt_problems(config["settings"])
    if problems:
        raise ArtefactError(
            f"This is not the configuration of a superneurons {what}.",
            problems=[Problem(f"{where}: {path}", said) for path, said in problems],
            mend=f"Fit and save the {what} again.",
        )


def _prompt_problems(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a prompt itself refuses, of how these settings ask."""
    given = {name: settings[name] for name in _PROMPT if name in settings}
    try:
        Prompt(**{_PROMPT[name]: value for name, value in given.items()})
    except ModelError as error:
        return [
            (f"settings.{problem.where.replace('.', '_')}", problem.what)
            for problem in error.problems
        ]
    return []


def _problems(value: Any, shape: _Shape, path: str) -> list[tuple[str, str]]:
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            return [(path or "the file", f"is {type(value).__name__}, not an object")]
        found: list[tuple[str, str]] = []
        for wanted_name, inner in shape.items():
            name = wanted_name.removesuffix("?")
            inside = f"{path}.{name}" if path else name
            if name not in value:
                found += [(inside, "missing")] if name == wanted_name else []
            else:
                found += _problems(value[name], inner, inside)
        return found
    # bool is an int to Python, but not to JSON
    if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        wanted = shape if isinstance(shape, tuple) else (shape,)
        names = " or ".join("null" if t is type(None) else t.__name__ for t in wanted)
        return [(path, f"is {value!r}, not of type {names}")]
    return []
