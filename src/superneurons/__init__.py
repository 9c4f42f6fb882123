"""Find the few neurons of a frozen vision-language model that answer your question, and stop there.

Examples
--------
>>> from superneurons import SuperNeuronClassifier, read_records
>>> records = read_records("train.jsonl")  # doctest: +SKIP
>>> classifier = SuperNeuronClassifier.from_model("demo").fit(records)  # doctest: +SKIP
>>> classifier.save_pretrained("my-classifier")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from superneurons.demo.tasks import make_task
    from superneurons.errors import (
        ArtefactError,
        BusyError,
        DataError,
        DeadlineError,
        MismatchError,
        MissingExtraError,
        ModelError,
        ModelNotFoundError,
        OutputError,
        ResourceError,
        ServiceError,
        SuperNeuronsError,
        VerificationError,
    )
    from superneurons.evaluate.depths import compare_depths
    from superneurons.evaluate.evaluation import evaluate_classifier
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.shortcut.prediction import Prediction
    from superneurons.shortcut.together import Together
    from superneurons.task.read import read_records
    from superneurons.task.record import Record
    from superneurons.vlm.model import VLM
    from superneurons.vlm.opening import open_vlm
    from superneurons.vlm.prompt import Prompt

__all__ = [
    "VLM",
    "ArtefactError",
    "BusyError",
    "Cascade",
    "DataError",
    "DeadlineError",
    "MismatchError",
    "MissingExtraError",
    "ModelError",
    "ModelNotFoundError",
    "OutputError",
    "Prediction",
    "Prompt",
    "Record",
    "ResourceError",
    "ServiceError",
    "SuperNeuronClassifier",
    "SuperNeuronsError",
    "Together",
    "VerificationError",
    "compare_depths",
    "evaluate_classifier",
    "make_task",
    "open_vlm",
    "read_records",
]

# Where each name lives. Imported when first used: `import superneurons` must not import torch.
_HOMES = {
    "Cascade": "shortcut.cascade",
    "VLM": "vlm.model",
    "Prediction": "shortcut.prediction",
    "Prompt": "vlm.prompt",
    "Record": "task.record",
    "SuperNeuronClassifier": "shortcut.classifier",
    "Together": "shortcut.together",
    "compare_depths": "evaluate.depths",
    "evaluate_classifier": "evaluate.evaluation",
    "make_task": "demo.tasks",
    "open_vlm": "vlm.opening",
    "read_records": "task.read",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"superneurons.{_HOMES.get(name, 'errors')}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("superneurons")
    raise AttributeError(f"module 'superneurons' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
