"""What every export says about itself, in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superneurons.activations.store import write_atomically
from superneurons.export.folder import MARK
from superneurons.shortcut.belonging import belongs_to

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["licence_of", "provenance", "write_json"]


def provenance(classifier: SuperNeuronClassifier, kind: str) -> dict[str, Any]:
    """Say what an export was made from.

    Parameters
    ----------
    classifier
        A fitted one.
    kind
        Of the export: ``hf`` or ``onnx``.

    Returns
    -------
    dict
        JSON values: labels, question, prompt with its hash, base model with its fingerprint and
        the settings of its image processor, exit layer, read-out.
    """
    found = belongs_to(classifier.vlm, classifier.prompt, classifier.exit_layer_, head=False)
    return {
        "kind": f"superneurons-export-{kind}",
        **found,
        "labels": [str(label) for label in classifier.classes_],
        "question": classifier.question_,
        "read_out": {"name": classifier.read_out, "neurons": len(classifier.neurons_)},
        "site": str(classifier.site_),
        "exit_layer": classifier.exit_layer_,
        "probing_set": dict(classifier.probing_),
    }


def write_json(directory: Path, told: dict[str, Any]) -> None:
    """Write what an export says about itself.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    write_atomically(directory / MARK, text.encode())


def licence_of(name: str) -> str | None:
    """Return the licence that a local checkpoint's card names, or ``None``.

    Parameters
    ----------
    name
        How the base model is called; only directories are looked into.
    """
    if name == "demo":
        return "apache-2.0"
    card = Path(name).expanduser() / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:60]
    named = [line.partition(":")[2].strip(" '\"") for line in lines if line.startswith("license:")]
    return named[0] if named and named[0] else None
