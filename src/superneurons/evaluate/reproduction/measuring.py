"""What a reproduction is measured on, and whether another one was measured on the same."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch

from superneurons.errors import MismatchError, Problem
from superneurons.evaluate.reproduction.questions import Questions, digest
from superneurons.evaluate.reproduction.reproduced import Measured
from superneurons.evaluate.rivals import BaseTask
from superneurons.vlm.fingerprint import fingerprint
from superneurons.vlm.model import VLM
from superneurons.vlm.processor import processor_settings
from superneurons.vlm.prompt import Prompt

__all__ = ["measured_on", "refuse_other"]

_PACKAGES = (
    "superneurons", "torch", "transformers", "numpy", "scipy", "scikit-learn", "pillow",
)  # fmt: skip
_DECIDES = {
    "fingerprint": "the model's weights or dtype differ",
    "processor": "pictures are prepared otherwise",
    "prompt_sha256": "it is asked otherwise",
    "probing_sha256": "the questions to probe on are others",
    "test_sha256": "the questions to score on are others",
}


def measured_on(vlm: VLM, asked: Questions, base: BaseTask, prompt: Prompt) -> Measured:
    """Say what is measured on what.

    Parameters
    ----------
    vlm, prompt
        The whole model, and how it is asked.
    asked
        The questions.
    base
        How its own answers are read.
    """
    return Measured(
        versions={"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}},
        name=vlm.name,
        revision=vlm.revision,
        family=vlm.family.name,
        layers=vlm.n_layers,
        hidden_size=vlm.hidden_size,
        dtype=str(vlm.dtype).removeprefix("torch."),
        fingerprint=fingerprint(vlm, vlm.n_layers, head=True),
        processor=processor_settings(vlm.processor),
        device=vlm.device_name,
        machine=platform.machine(),
        threads=torch.get_num_threads(),
        prompt=prompt.frame(vlm.processor, vlm.family),
        prompt_sha256=prompt.digest(vlm.processor, vlm.family),
        label_words=None if base.words is None else base.words.as_dict(),
        classes=asked.classes,
        unrolled=asked.unrolled is not None,
        probing_questions=len(asked.probe),
        test_records=len(asked.records),
        test_questions=len(asked.test),
        probing_sha256=digest(asked.probe),
        test_sha256=digest(asked.test),
    )


def refuse_other(before: Measured, now: Measured) -> None:
    """Refuse to compare with figures of another model, prompt or other questions.

    Raises
    ------
    MismatchError
        Says everything that differs.
    """
    problems = [
        Problem(name, what)
        for name, what in _DECIDES.items()
        if getattr(before, name) != getattr(now, name)
    ]
    if problems:
        raise MismatchError(
            "This is not what the figures were measured on.",
            problems=problems,
            mend=f"Give the model that was opened as {before.name!r} ({before.dtype}) and the "
            "same files, or run it anew without --again.",
        )
