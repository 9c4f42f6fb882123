"""What an artefact belongs to: the base model, its processor and the prompt."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from superneurons.errors import MismatchError, Problem
from superneurons.shortcut.schema import FORMAT
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.processor import processor_settings, settings_apart
from superneurons.vlm.prompt import Prompt

__all__ = ["CommitWarning", "belongs_to", "refuse_mismatch"]


class CommitWarning(UserWarning):
    """A base model at another commit than a classifier was fitted at."""


def belongs_to(
    vlm: VLM, prompt: Prompt, depth: int, *, head: bool, tower: int | None = None
) -> dict[str, Any]:
    """Say what a configuration belongs to.

    Parameters
    ----------
    vlm, prompt
        The base model, and how it is asked.
    depth, head
        Decoder layers that run, and whether the head does.
    tower
        Layers of the vision tower that run; by default those that the projector reads.
    """
    packages = ("superneurons", "torch", "transformers")
    return {
        "format": FORMAT,
        "versions": {name: version(name) for name in packages},
        "base_model": {
            "name": vlm.name,
            "revision": vlm.revision,
            "layers": vlm.n_layers,
            **_identity(vlm, depth, head, tower),
        },
        "prompt": {
            "order": prompt.order,
            "template": prompt.template_for(vlm.processor, vlm.family),
            "frame": prompt.frame(vlm.processor, vlm.family),
            "sha256": prompt.digest(vlm.processor, vlm.family),
        },
    }


def _identity(vlm: VLM, depth: int, head: bool, tower: int | None) -> dict[str, Any]:
    """What has to be the same about a model for a classifier to be its own."""
    return {
        "family": vlm.family.name,
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "hidden_size": vlm.hidden_size,
        "fingerprint": fingerprint(vlm, depth, head=head, tower=tower),
        "processor": processor_settings(vlm.processor),
    }


def _apart(then: Any, now: Any) -> str:
    parts = [
        f"{place.removeprefix('.')}: fitted on {one!r}, this one has {other!r}"
        for place, one, other in settings_apart(then, now, "")
    ]
    return "; ".join(parts).removeprefix(": ")


def refuse_mismatch(
    vlm: VLM,
    prompt: Prompt,
    config: Mapping[str, Any],
    depth: int,
    *,
    head: bool,
    tower: int | None = None,
) -> None:
    """Refuse another model or prompt than a configuration belongs to; see :func:`belongs_to`.

    Raises
    ------
    MismatchError
        Says what differs, and the commits where these do.

    Warns
    -----
    CommitWarning
        When the model is at another commit, but what runs of it is the same.
    """
    base, asked = config["base_model"], config["prompt"]
    found = _identity(vlm, depth, head, tower) if depth <= vlm.depth else {"layers": vlm.depth}
    problems = [
        Problem(f"base_model.{name}", _apart(base.get(name), value))
        for name, value in found.items()
        if base.get(name) != value
    ]
    if prompt.digest(vlm.processor, vlm.family) != asked["sha256"]:
        shown = prompt.frame(vlm.processor, vlm.family)
        asks = (
            "asks it in other tokens, or of several pictures"
            if shown == asked["frame"]
            else (f"asks {shown!r}")
        )
        problems.append(Problem("prompt", f"fitted with {asked['frame']!r}, this one {asks}"))
    commits = base["revision"], vlm.revision
    moved = None not in commits and commits[0] != commits[1]
    if problems:
        if moved:
            where = "base_model.revision"
            problems.append(Problem(where, f"fitted at commit {commits[0]}, this is {commits[1]}"))
        raise MismatchError(
            f"This classifier was fitted on another model than {vlm.name!r}.",
            problems=problems,
            mend="Open the model it was fitted on (same files, dtype and prompt), or fit again.",
        )
    if moved:
        warnings.warn(
            f"{vlm.name!r} is at commit {commits[1]}, this classifier was fitted at {commits[0]}. "
            "What runs has the same fingerprint, so it is used.",
            CommitWarning,
            stacklevel=4,  # refuse_mismatch, load, from_pretrained: whoever called that
        )
