"""Find what arXiv 2603.10781 prints of a task and a model."""

from __future__ import annotations

import re
from difflib import get_close_matches

from superneurons.errors import DataError
from superneurons.evaluate.reproduction.paper_studies import STUDY_ROWS
from superneurons.evaluate.reproduction.paper_tables import MAIN_ROWS
from superneurons.evaluate.reproduction.printed import Method, Metric, Printed, Scored

__all__ = ["MODELS", "PAPER", "PAPER_ROWS", "check_row", "paper_model", "paper_task", "printed_row"]

PAPER = "arXiv 2603.10781"

PAPER_ROWS: tuple[Printed, ...] = (*MAIN_ROWS, *STUDY_ROWS)
"""Every row of figures, the paper's main setting before ablations."""

MODELS: dict[str, tuple[str, int, int]] = {
    "llava-7b": ("LLaVA-1.5", 32, 4096),
    "llava-13b": ("LLaVA-1.5", 40, 5120),
    "qwen3-vl-4b": ("Qwen3-VL", 36, 2560),
    "qwen3-vl-32b": ("Qwen3-VL", 64, 5120),
}
"""The paper's models by family, decoder layers and hidden size."""

_ALIASES = {
    "pope": ("popecoco",),
    "pope-voc": (),
    "instaorder-depth": ("depth",),
    "instaorder-occlusion": ("occlusion", "instaorderocc", "occ"),
    "vizwiz": ("vizwizyesno", "vizwizvqa"),
    "clevr": ("clevryesno",),
    "aokvqa": (),
    "scienceqa": ("sciqa", "scienceqaimg"),
}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_TASKS = {_plain(known): task for task, others in _ALIASES.items() for known in (task, *others)}


def paper_task(name: str) -> str | None:
    """Return the paper's task of this name, however it is spelt; ``None`` for any other.

    Examples
    --------
    >>> paper_task("AOKVQA"), paper_task("dark")
    ('aokvqa', None)
    """
    return _TASKS.get(_plain(name))


def paper_model(family: str, layers: int, width: int) -> str | None:
    """Return the paper's model of this family and shape; ``None`` for any other.

    Examples
    --------
    >>> paper_model("LLaVA-1.5", 32, 4096)
    'llava-7b'
    """
    shapes = {shape: model for model, shape in MODELS.items()}
    return shapes.get((family, layers, width))


def check_row(row: str) -> None:
    """Refuse a model that the paper doesn't have.

    Raises
    ------
    DataError
        With the nearest that it has.
    """
    if row in MODELS:
        return
    near = get_close_matches(row, MODELS, n=1)
    raise DataError(
        f"{PAPER} has no rows of a model {row!r}.",
        where="row",
        mend=(f"Did you mean {near[0]!r}? " if near else "") + f"It has: {', '.join(MODELS)}.",
    )


def printed_row(
    task: str,
    model: str,
    method: Method,
    *,
    metric: Metric | None = None,
    scored_on: Scored = "validation",
) -> Printed | None:
    """Return what the paper prints of one way of answering in its main setting.

    Parameters
    ----------
    task, model
        Of :func:`paper_task` and :data:`MODELS`.
    method, metric, scored_on
        As of :class:`~superneurons.evaluate.reproduction.printed.Printed`.

    Returns
    -------
    Printed or None
        ``None`` where it prints nothing.

    Examples
    --------
    >>> printed_row("pope", "llava-7b", "majority", metric="accuracy").f1
    91.2
    """
    wanted = (task, model, method, metric, scored_on)
    for row in PAPER_ROWS:
        same = (row.task, row.model, row.method, row.metric, row.scored_on) == wanted
        if same and not row.detail:
            return row
    return None
