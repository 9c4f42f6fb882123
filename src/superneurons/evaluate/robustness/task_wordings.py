"""Other wordings of the embedded tasks' questions."""

from __future__ import annotations

from superneurons.demo.questions import KINDS, NO, YES
from superneurons.demo.tasks import TASKS
from superneurons.errors import DataError
from superneurons.evaluate.robustness.rewording import QUESTION

__all__ = ["task_wordings"]

_REQUEST = " Answer yes or no."
_OTHER_REQUESTS = ("", " Reply with a single word, yes or no.")

# Wordings of questions that have only one in training, or none; then one with a nonsense word.
_MORE: dict[str, tuple[str, ...]] = {
    "focus": ("Is the picture blurred?", "Is the picture {word}?"),
    "dark": ("Is there too little light in the picture?", "Is the picture {word}?"),
    "bigger": ("{Is} {x} larger than {y}?", "{Is} {x} {word} {y}?"),
    "hides": ("{Is} {x} hiding {y}?", "{Is} {x} occluding {y}?", "{Is} {x} {word} {y}?"),
    "exactly": (
        "Does the picture show exactly {n} things?",
        "Are there {word} {n} things in the picture?",
    ),
    "presence": ("Does the picture {word} {a}?",),
    "group": ("Does the picture {word} {a}?",),
    "left": ("{Is} {x} {word} {y}?",),
    "above": ("{Is} {x} {word} {y}?",),
    "front": ("{Is} {x} {word} {y}?",),
    "counting": ("How {word} things are in the picture?",),
    "category": ("What {word} of thing is in the picture?",),
    "choice": ("What is {word} the picture?",),
}
_FROM_TRAINING = 1


def task_wordings(name: str) -> tuple[str, tuple[str, ...]]:
    """Return how an embedded task's questions are worded, and other wordings.

    Parameters
    ----------
    name
        A task of :data:`superneurons.demo.tasks.TASKS`.

    Returns
    -------
    own, others
        Templates for :func:`~superneurons.evaluate.robustness.rewording.reworded`: other words for
        the same, one of them a nonsense word where the sense allows it, and for yes/no questions
        other requests for a yes or a no.

    Raises
    ------
    DataError
        When there is no such task.

    Examples
    --------
    >>> own, others = task_wordings("hides")
    >>> own
    '{Is} {x} obstructing {y}? Answer yes or no.'
    >>> others[2]
    '{Is} {x} {word} {y}? Answer yes or no.'
    """
    if name not in TASKS:
        raise DataError(f"There is no embedded task {name!r}.", mend=f"Known: {', '.join(TASKS)}.")
    if TASKS[name].kind not in KINDS:
        return QUESTION, ("Look at the picture. {question}", "{question} {word}")
    kind = KINDS[TASKS[name].kind]
    own, *trained = kind.wordings
    others = (*trained[:_FROM_TRAINING], *_MORE[kind.name])
    if kind.answers != (YES, NO):
        return own, others
    asked = tuple(text + _REQUEST for text in others)
    return own + _REQUEST, (*asked, *(own + request for request in _OTHER_REQUESTS))
