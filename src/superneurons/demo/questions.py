"""Questions about scenes: their wordings, and how none of them gives its answer away.

In training every question string is asked as often with one answer as with any other, so that
the picture alone decides. :class:`Ledger` sees to that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "COUNTS",
    "GROUP_PHRASES",
    "KINDS",
    "LETTERS",
    "NO",
    "YES",
    "Kind",
    "Ledger",
    "lettered",
    "phrase",
    "unrolled",
    "yes_no",
]

YES, NO = "Yes", "No"
LETTERS = ("A", "B", "C", "D")
COUNTS = ("one", "two", "three", "four", "five")

GROUP_PHRASES = {
    "animal": "an animal",
    "food": "something to eat or drink",
    "plant": "a plant",
    "vehicle": "a vehicle",
    "clothing": "something to wear",
    "instrument": "a musical instrument",
    "tool": "a tool",
    "toy": "a toy or sports thing",
    "building": "a building",
    "device": "an electronic device",
    "household": "a household thing",
}

_PLURAL = frozenset(
    [
        "grapes",
        "cherries",
        "fries",
        "pancakes",
        "trousers",
        "gloves",
        "sunglasses",
        "socks",
        "shorts",
        "maracas",
        "scissors",
        "skis",
        "headphones",
    ]
)
_MASS = frozenset(
    ["corn", "bread", "bacon", "pasta", "milk", "coffee", "beer", "wine", "soup", "cheese", "candy"]
)


@dataclass(frozen=True)
class Kind:
    """A kind of question.

    Parameters
    ----------
    name
        "presence", "left", …
    wordings
        Templates. ``{a}`` is a thing with its article, ``{x}`` and ``{y}`` two things with "the",
        ``{n}`` a number word, ``{Is}`` agrees with the first thing.
    answers
        What may be answered; empty where it depends on the picture's options.
    trained
        Whether the embedded model has ever been asked such a question in training.
    """

    name: str
    wordings: tuple[str, ...]
    answers: tuple[str, ...] = (YES, NO)
    trained: bool = True

    def ask(self, wording: int = 0, *, x: str = "", y: str = "", n: str = "") -> str:
        """Return the question as the user types it.

        Examples
        --------
        >>> KINDS["left"].ask(x="scissors", y="dog")
        'Are the scissors to the left of the dog? Answer yes or no.'
        """
        text = self.wordings[wording].format(
            a=GROUP_PHRASES.get(x) if self.name == "group" else phrase(x),
            x=f"the {x}",
            y=f"the {y}",
            n=n,
            Is="Are" if x in _PLURAL else "Is",
        )
        return yes_no(text) if self.answers == (YES, NO) else text


def phrase(name: str) -> str:
    """Return a class name with its article.

    Examples
    --------
    >>> phrase("apple"), phrase("scissors"), phrase("hat")
    ('an apple', 'scissors', 'a hat')
    """
    if name in _PLURAL or name in _MASS:
        return name
    return f"{'an' if name[:1] in tuple('aeiou') else 'a'} {name}"


def yes_no(question: str) -> str:
    """Return the question with the request for a yes or a no."""
    return f"{question} Answer yes or no."


def lettered(question: str, options: Sequence[str]) -> str:
    """Return a multiple-choice question as the embedded model was trained to read it.

    Examples
    --------
    >>> print(lettered("What is in the picture?", ("dog", "cat", "car", "apple")))
    What is in the picture?
    A) dog
    B) cat
    C) car
    D) apple
    Answer with the letter.
    """
    lines = [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=True)]
    return "\n".join([question, *lines, "Answer with the letter."])


def unrolled(question: str, option: str) -> str:
    """Return the yes/no question about one option of a question.

    Examples
    --------
    >>> unrolled("What is in the picture?", "dog")
    'What is in the picture? Is it dog? Answer yes or no.'
    """
    return yes_no(f"{question} Is it {option}?")


_ALL = (
    Kind(
        "presence",
        (
            "{Is} there {a} in the picture?",
            "Does the picture show {a}?",
            "Can you see {a} here?",
            "Do you see {a} in this image?",
            "Does this image contain {a}?",
        ),
    ),
    Kind(
        "group",
        (
            "Is there {a} in the picture?",
            "Does the picture show {a}?",
            "Can you see {a} here?",
            "Do you see {a} in this image?",
        ),
    ),
    Kind(
        "left",
        (
            "{Is} {x} to the left of {y}?",
            "{Is} {x} left of {y}?",
            "{Is} {x} further left than {y}?",
            "Can you see {x} to the left of {y}?",
        ),
    ),
    Kind(
        "above",
        (
            "{Is} {x} above {y}?",
            "{Is} {x} higher up than {y}?",
            "{Is} {x} placed above {y}?",
            "Can you see {x} above {y}?",
        ),
    ),
    Kind(
        "front",
        (
            "{Is} {x} in front of {y}?",
            "{Is} {x} closer to us than {y}?",
            "{Is} {x} nearer to the viewer than {y}?",
            "Can you see {x} in front of {y}?",
        ),
    ),
    Kind(
        "counting",
        (
            "How many things are in the picture?",
            "How many objects can you see?",
            "Count the things in the picture.",
            "What is the number of things shown?",
        ),
        COUNTS,
    ),
    Kind(
        "choice",
        (
            "What is in the picture?",
            "Which of these is in the picture?",
            "What can you see in the picture?",
            "Which thing does the picture show?",
        ),
        (),
    ),
    Kind(
        "category",
        (
            "What kind of thing is in the picture?",
            "What kind of thing does the picture show?",
            "What sort of thing can you see?",
            "Which kind of thing is shown here?",
        ),
        tuple(GROUP_PHRASES),
    ),
    Kind("focus", ("Is the picture out of focus?",), trained=False),
    Kind("dark", ("Is the picture too dark?",), trained=False),
    Kind("bigger", ("{Is} {x} bigger than {y}?",), trained=False),
    Kind("hides", ("{Is} {x} obstructing {y}?",), trained=False),
    Kind("exactly", ("Are there exactly {n} things in the picture?",), trained=False),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind of question, by name."""


class Ledger:
    """Keeps count of what was answered to what, and turns away what would tip the balance.

    Examples
    --------
    >>> ledger = Ledger()
    >>> [ledger.admit("Yes", "Is there a dog?") for _ in range(2)]
    [True, False]
    >>> ledger.admit("No", "Is there a dog?")
    True
    """

    def __init__(self) -> None:
        self._counts: dict[object, dict[str, int]] = defaultdict(dict)
        self._credit: dict[str, int] = defaultdict(int)

    def admit(
        self,
        answer: str,
        *keys: object,
        answers: Sequence[str] = (YES, NO),
        slack: int = 1,
    ) -> bool:
        """Enter an answer under every key, if it leads none of their other answers by ``slack``.

        Parameters
        ----------
        answer
            The right answer.
        keys
            What must not give the answer away: the question string, or a word in a given place.
        answers
            All answers possible.
        slack
            By how much an answer may get ahead of the rarest one.
        """
        rows = [self._counts[key] for key in keys]
        for row in rows:
            if row.get(answer, 0) - min(row.get(other, 0) for other in answers) >= slack:
                return False
        for row in rows:
            row[answer] = row.get(answer, 0) + 1
        return True

    def credit(self, option: str) -> int:
        """Return how far an option has been the right one too often (above 0) or too seldom."""
        return self._credit[option]

    def choose(self, right: str, wrong: Sequence[str]) -> None:
        """Enter a multiple-choice question: one right option, ``len(wrong)`` wrong ones."""
        self._credit[right] += len(wrong)
        for option in wrong:
            self._credit[option] -= 1

    def counts(self, key: object) -> dict[str, int]:
        """Return the answers entered under a key so far."""
        return dict(self._counts[key])
