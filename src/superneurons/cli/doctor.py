"""``superneurons doctor``."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from superneurons.cli import options
from superneurons.cli.output import print_json, quiet
from superneurons.cli.status import as_dicts, print_checks
from superneurons.errors import ModelError

__all__ = ["doctor"]

_NAMES = {
    "memory_MB_whole": "whole model (MB)",
    "memory_MB_up_to_layer": "memory of exits",
    "memory_MB_free": "memory free (MB)",
}


def doctor(
    model: options.Model = "demo",
    acceleration: options.Accelerated = "auto",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Open a model, check that it can be read and left early, and say how and what that takes.

    Exits with 2 when a check fails.
    """
    from superneurons.vlm.exit_report import exit_report
    from superneurons.vlm.opening import open_vlm
    from superneurons.vlm.verified import remember, was_verified
    from superneurons.vlm.verify import examine

    quiet()
    vlm = open_vlm(
        model, device=device, dtype=dtype, revision=revision, trust_remote_code=trust_remote_code,
        verify=False,
    )  # fmt: skip
    facts = _facts(vlm) | {"verified_before": "yes" if was_verified(vlm) else "no"}
    findings = examine(vlm)
    remember(vlm, findings)
    if {"run", "layers"} & {check.name for check in findings.failed}:
        facts["early_exit"] = "none: the model doesn't run as described"
    else:
        facts |= _exits(exit_report(vlm, acceleration))
    if as_json:
        left_out = dict(findings.left_out)
        print_json(facts | {"checks": as_dicts(findings.checks), "left_out": left_out})
    else:
        for name, value in facts.items():
            print(f"{_NAMES.get(name, name.replace('_', ' ')):<16} {_shown(value)}")
        print_checks(findings)
    if findings.failed:
        sys.exit(2)


def _shown(value: Any) -> str:
    """One line, whatever it is: sizes by layer, or a prompt with its line breaks."""
    if isinstance(value, dict):
        return ", ".join(f"{size} MB up to layer {layer}" for layer, size in value.items())
    return repr(value) if "\n" in str(value) else str(value)


def _facts(vlm: Any) -> dict[str, Any]:
    from superneurons.vlm.memory import weights_of

    return {
        "model": vlm.name,
        "family": vlm.family.name,
        "revision": vlm.revision or "local",
        "layers": vlm.n_layers,
        "hidden_size": vlm.hidden_size,
        "neurons": vlm.n_layers * vlm.hidden_size,
        "device": vlm.device_name,
        "dtype": str(vlm.dtype).removeprefix("torch."),
        "memory_MB_whole": _megabytes(weights_of(vlm.model)),
        "processor": type(vlm.processor).__name__,
        "prompt": _prompt(vlm),
        "label_words": _label_words(vlm),
    }


def _prompt(vlm: Any) -> str:
    from superneurons.vlm.prompt import Prompt

    try:
        return Prompt().frame(vlm.processor, vlm.family)
    except ModelError as error:
        return f"none: {error.what} {error.mend}"


def _label_words(vlm: Any) -> str:
    """Which ways of writing yes and no are single tokens, whose logits stand for nothing else."""
    from superneurons.vlm.answer import label_words

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the line says the same
            found = label_words(vlm.processor, ["yes", "no"]).as_dict()
    except ModelError as error:
        return str(error.problems[0])
    lines = (
        f"{label}: {', '.join(map(repr, own['whole'])) or 'none'} whole, "
        f"{len(own['first_token_only'])} by a first token"
        for label, own in found.items()
    )
    return "; ".join(lines)


def _exits(report: Any) -> dict[str, Any]:
    """What is said of early exits; why nothing faster runs, where there is a reason."""
    facts: dict[str, Any] = {"early_exit": report.path}
    if report.reason:
        whole = "; the layer read runs as a whole" if report.path == "off" else ""
        facts["not_faster"] = report.reason + whole
    facts["tower_layers"] = f"{report.tower_layers} of {report.tower_layers_in_all} run"
    facts["memory_MB_up_to_layer"] = {str(k): _megabytes(size) for k, size in report.held.items()}
    if report.free is not None:
        facts["memory_MB_free"] = _megabytes(report.free)
    return facts


def _megabytes(size: int) -> float:
    return round(size / 1e6, 1)
