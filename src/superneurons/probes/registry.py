"""All read-outs by name. A new one is one module and one line here."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from superneurons.errors import DataError, Problem
from superneurons.probes.attention_vectors import SparseAttentionVectors
from superneurons.probes.base import ReadOut
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.logits import CalibratedLogits, LabelLogits
from superneurons.probes.nearest import NearestNeighbours
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons

__all__ = ["READ_OUTS", "make_read_out"]

READ_OUTS: dict[str, type[ReadOut]] = {
    read_out.name: read_out
    for read_out in (
        SuperNeurons,
        PaperSuperNeurons,
        LabelLogits,
        CalibratedLogits,
        LogisticProbe,
        NearestNeighbours,
        SparseAttentionVectors,
    )
}
"""Every read-out that ``fit`` knows, by name."""


def make_read_out(name: str, **parameters: Any) -> ReadOut:
    """Make an unfitted read-out by its name.

    Parameters
    ----------
    name
        One of :data:`READ_OUTS`.
    **parameters
        Its parameters, as in its class.

    Raises
    ------
    DataError
        An unknown name or parameter, with the nearest known ones.

    Examples
    --------
    >>> make_read_out("paper", metric="f1")
    PaperSuperNeurons(metric='f1')
    """
    if name not in READ_OUTS:
        raise DataError(f"Unknown read-out {name!r}.", mend=_instead(name, READ_OUTS))
    read_out = READ_OUTS[name]
    known = read_out._get_param_names()
    problems = [
        Problem(parameter, _instead(parameter, known))
        for parameter in parameters
        if parameter not in known
    ]
    if problems:
        raise DataError(
            f"Unknown parameters of the read-out {name!r}.",
            problems=problems,
            mend="Correct their names, or leave them out.",
        )
    return read_out(**parameters)


def _instead(wrong: str, known: Any) -> str:
    near = get_close_matches(wrong, known, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"{guess}Known: {', '.join(sorted(known)) or 'none'}."
