"""Fitted on one wording of the question, asked in another."""

from __future__ import annotations

from collections.abc import Sequence

from superneurons.errors import DataError
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.robustness.crossing import Crossing, Domain, cross
from superneurons.evaluate.robustness.rewording import QUESTION, reworded
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["study_wording"]

_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def study_wording(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    wordings: Sequence[str],
    *,
    own: str = QUESTION,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seeds: Sequence[int] = (0,),
    steps: Steps = silent,
) -> Crossing:
    """Cross several wordings of one question: the same pictures and labels, other words.

    On the diagonal the neurons were found anew for each wording, as in the paper; beside it they
    are asked in words that they were not found with.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records to fit on, and others to score on.
    wordings, own
        Other wordings, and how the records' own questions are worded, as for
        :func:`~superneurons.evaluate.robustness.rewording.reworded`. The own wording is "A".
    prompt, batch_size, seeds, steps
        How records are asked, records per forward pass, seeds of the fits (the first also of the
        nonsense words), and what shows progress.

    Raises
    ------
    DataError
        No other wording or more than 25, wordings that can't be filled, records in both sets,
        pictures or labels that cannot be used.

    Notes
    -----
    arXiv 2603.10781, appendix, table 5.
    """
    others = [text for text in dict.fromkeys(wordings) if text != own]
    if not 1 <= len(others) < len(_NAMES) or not seeds:
        raise DataError(
            f"{len(others)} wordings beside the own one, and {len(seeds)} seeds.",
            where="wordings",
            mend=f"Give 1 to {len(_NAMES) - 1} others, and at least one seed.",
        )
    two_parts(probe, test)
    domains = []
    for name, text in zip(_NAMES, [own, *others], strict=False):
        both = reworded([*probe, *test], text, own=own, seed=seeds[0])
        shown = f"{text}, e.g. {both[0].question!r}"
        domains.append((Domain(name, both[: len(probe)], both[len(probe) :]), shown))
    return cross(
        vlm, "wording", domains, prompt=prompt, batch_size=batch_size, seeds=seeds, steps=steps
    )
