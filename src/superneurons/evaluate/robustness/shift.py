"""Fitted on pictures of one distribution, tested on another."""

from __future__ import annotations

from collections.abc import Sequence

from superneurons.errors import DataError
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.robustness.crossing import Crossing, Domain, cross
from superneurons.task.labels import is_multiple_choice, known_labels
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["check_domains", "study_shift"]


def study_shift(
    vlm: VLM,
    domains: Sequence[Domain],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seeds: Sequence[int] = (0,),
    steps: Steps = silent,
) -> Crossing:
    """Cross distributions of pictures of one task: found anew on each, or taken over.

    Parameters
    ----------
    vlm
        The whole model.
    domains
        At least two, with the same labels.
    prompt, batch_size, seeds, steps
        How records are asked, records per forward pass, seeds of the fits, and what shows progress.

    Raises
    ------
    DataError
        Names that occur twice, labels that differ, a test record that shares a picture or a group
        with a probing record of any domain, pictures or labels that cannot be used.

    Notes
    -----
    arXiv 2603.10781, table 7.
    """
    check_domains(domains)
    named = [(domain, domain.name) for domain in domains]
    return cross(
        vlm, "shift", named, prompt=prompt, batch_size=batch_size, seeds=seeds, steps=steps
    )


def check_domains(domains: Sequence[Domain]) -> None:
    """Refuse what can't be crossed, before a model is opened.

    Parameters
    ----------
    domains
        Two or more, as :func:`study_shift` takes them.

    Raises
    ------
    DataError
        As :func:`study_shift` does.
    """
    names = [domain.name for domain in domains]
    if len(set(names)) < max(2, len(names)):
        raise DataError(
            "Distributions need names of their own, and at least two.",
            where=", ".join(names) or "domains",
            mend="Give two sets of records with different names.",
        )
    for domain in domains:
        two_parts(domain.probe, domain.test)
    two_parts([r for d in domains for r in d.probe], [r for d in domains for r in d.test])
    _refuse_other_labels(domains)


def _refuse_other_labels(domains: Sequence[Domain]) -> None:
    own = {
        d.name: ()
        if is_multiple_choice([*d.probe, *d.test])
        else tuple(sorted(set(known_labels(d.probe))))
        for d in domains
    }
    if len(set(own.values())) > 1:
        raise DataError(
            "The distributions don't have the same labels.",
            where="; ".join(f"{name}: {', '.join(labels)}" for name, labels in own.items()),
            mend="Give records of one question, with every label in both.",
        )
