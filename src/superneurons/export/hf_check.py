"""Load an exported checkpoint as anyone would, and compare what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from superneurons.errors import ModelError, Problem
from superneurons.task.record import Record

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["SCORE", "head_class", "reloaded", "reloaded_answers", "score_of"]

SCORE = "score.weight"
"""The head, by the name that sequence classifiers of transformers and vLLM give it."""


def head_class(model_type: str) -> str | None:
    """Return the sequence classifier that transformers has for a model type, if any.

    Examples
    --------
    >>> head_class("gemma3"), head_class("llava")
    ('Gemma3ForSequenceClassification', None)
    """
    from transformers.models.auto import modeling_auto

    found = modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(model_type)
    return None if found is None else str(found)


def reloaded(directory: Path, dtype: torch.dtype, model_type: str) -> Any:
    """Load an exported checkpoint by a class of transformers.

    Raises
    ------
    ModelError
        When a weight is missing, has no place, or has another shape; lists every one.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification

    whole = head_class(model_type) is not None
    auto = AutoModelForSequenceClassification if whole else AutoModel
    model, report = auto.from_pretrained(
        str(directory), dtype=dtype, output_loading_info=True,
        ignore_mismatched_sizes=True,  # else it raises before it says which
    )  # fmt: skip
    spare = set(report["unexpected_keys"]) - (set() if whole else {SCORE})
    problems = [Problem(name, "missing") for name in sorted(report["missing_keys"])]
    problems += [Problem(name, "has no place") for name in sorted(spare)]
    problems += [
        Problem(name, f"wrong shape: {tuple(found)}, should be {tuple(wanted)}")
        for name, found, wanted in sorted(report["mismatched_keys"])
    ]
    if problems:
        raise ModelError(
            "The cut checkpoint doesn't load as it should; nothing was exported.",
            problems=problems,
            mend="Export the votes themselves (superneurons export onnx).",
        )
    return model.eval()


def score_of(directory: Path) -> torch.Tensor:
    """Read the head out of an exported checkpoint, shape (C, D)."""
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            if SCORE in file.keys():  # noqa: SIM118  (not iterable)
                head: torch.Tensor = file.get_tensor(SCORE)
                return head
    raise ModelError(f"There is no {SCORE} in {str(directory)!r}.", mend="Export it again.")


@torch.inference_mode()
def reloaded_answers(
    directory: Path, classifier: SuperNeuronClassifier, records: Sequence[Record]
) -> NDArray[np.float64]:
    """Return what an exported checkpoint says of records, probabilities (N, C).

    The model is loaded by transformers alone; pictures and prompts are prepared as the classifier
    has them prepared.

    Raises
    ------
    ModelError
        When it doesn't load as it should.
    DataError
        When a picture cannot be read.
    """
    vlm = classifier.vlm
    model_type = str(vlm.model.config.model_type)  # type: ignore[union-attr]
    model = reloaded(directory, vlm.dtype, model_type).to(vlm.device)
    whole, head = head_class(model_type) is not None, score_of(directory).to(vlm.device).float()
    rows = []
    for start in range(0, len(records), classifier.batch_size):
        inputs = vlm.encode(records[start : start + classifier.batch_size], classifier.prompt)
        if whole:
            logits = model(**inputs.tensors, use_cache=False).logits.float()
        else:
            states = model(**inputs.tensors, use_cache=False).last_hidden_state
            last = inputs.last.to(states.device)
            logits = states[torch.arange(len(last), device=last.device), last].float() @ head.T
        rows.append(logits.softmax(dim=-1).double().cpu().numpy())
    return np.concatenate(rows)
