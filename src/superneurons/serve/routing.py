"""Which classifier a question is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from superneurons.errors import DataError
from superneurons.serve.errors import refused
from superneurons.serve.jobs import Engine, Fitted

__all__ = ["Routing", "bare", "public_name"]


def bare(text: str) -> str:
    r"""Return a question without what doesn't matter for which it is: white space and its amount.

    Examples
    --------
    >>> bare("  Is it\n bright? ")
    'Is it bright?'
    """
    return " ".join(text.split())


def public_name(model: str) -> str:
    """Return a model's name without where it lies on this machine.

    Examples
    --------
    >>> public_name("/data/models/llava"), public_name("./models/llava"), public_name("org/llava")
    ('llava', 'llava', 'org/llava')
    """
    path = PurePath(model)
    # A name of the hub has an owner at most; PurePath drops a leading "./".
    lies_here = path.is_absolute() or model.startswith((".", "~")) or len(path.parts) > 2
    return path.name if lies_here else model


class Routing:
    """Finds the classifier that answers a question.

    1. ``model`` names a classifier: that one, for every question of the request.
    2. The question's id is a classifier's name: that one.
    3. The question and its options are those that one classifier was fitted on: that one.
    4. Otherwise the base model, where it is kept.

    Parameters
    ----------
    engine
        The classifiers and the base model that are served.
    """

    def __init__(self, engine: Engine) -> None:
        self.classifiers = dict(engine.classifiers)
        self.base_model = public_name(engine.base_model)
        self.asks_base = engine.asks_base
        self._by_question: dict[str, list[Fitted]] = {}
        for fitted in self.classifiers.values():
            if fitted.question is not None:
                self._by_question.setdefault(bare(fitted.question), []).append(fitted)

    def named(self, model: str | None) -> Fitted | None:
        """Return the classifier that ``model`` names; ``None`` for the base model, or no name.

        Of a classifier and a base model of one name it is the classifier.

        Raises
        ------
        HTTPException
            404 when nothing of that name is served.
        """
        if model is None or (model == self.base_model and model not in self.classifiers):
            return None
        if model not in self.classifiers:
            names = ", ".join(sorted(self.classifiers)[:20])
            raise refused(
                404,
                f"There is no model {model[:80]!r}.",
                where="model",
                mend=f"Use one of: {names}, {self.base_model}; or leave it out.",
            )
        return self.classifiers[model]

    def matching(self, question: str, fits: Callable[[Fitted], bool]) -> Fitted | None:
        """Return the one classifier that was fitted on this question, and whose answers fit.

        One with answers of its own comes before those that choose from any options.

        Raises
        ------
        DataError
            When several were.
        """
        found = [fitted for fitted in self._by_question.get(bare(question), ()) if fits(fitted)]
        found = [fitted for fitted in found if fitted.labels] or found
        if len(found) > 1:
            names = ", ".join(fitted.name for fitted in found)
            raise DataError(f"{names} answer this question: name one of them as model")
        return found[0] if found else None

    def base(self) -> None:
        """Make sure that the base model can be asked.

        Raises
        ------
        DataError
            When only classifiers are served.
        """
        if not self.asks_base:
            raise DataError(
                "no classifier was fitted on this question with these options, and the base model "
                "is not kept for others"
            )
