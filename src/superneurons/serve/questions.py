"""The questions of ``/v1/systemone``: what each asks of the engine, and how its answer is said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from superneurons.errors import DataError, Problem
from superneurons.serve.asked import LONGEST_TEXT, Asked, asked_base, asked_fitted
from superneurons.serve.jobs import Answer, Fitted
from superneurons.serve.routing import Routing
from superneurons.serve.schemas import ChoiceQuestion, NoulQuestion, ScoreQuestion, SystemOneRequest

__all__ = ["answer_said", "confidence_of", "questions_asked"]

_YES, _NO = {"yes", "true", "1"}, {"no", "false", "0"}
_Any = NoulQuestion | ChoiceQuestion | ScoreQuestion


def questions_asked(request: SystemOneRequest, routing: Routing) -> list[Asked]:
    """Find for each question who answers it, and what exactly is asked.

    Raises
    ------
    DataError
        Lists every question that nobody here can answer.
    HTTPException
        404 when ``model`` names nothing that is served.
    """
    named = routing.named(request.model)
    asked, problems = [], []
    for name, question in request.questions.items():
        where = f"questions.{name[:80]}"
        try:
            asked.append(_asked(where, name, question, request, routing, named))
        except DataError as error:
            problems.append(Problem(where, error.what))
    if problems:
        raise DataError(
            f"{len(problems)} of {len(request.questions)} questions cannot be asked.",
            problems=problems,
            mend="GET /v1/models lists each classifier's question and answers.",
        )
    return asked


def _asked(
    where: str,
    name: str,
    question: _Any,
    request: SystemOneRequest,
    routing: Routing,
    named: Fitted | None,
) -> Asked:
    names = tuple(request.assets)
    state, own = _text(request.state), _text(question.instructions)
    shown = [state, own, *map(_text, _criteria(question))]
    pictures = _mentioned(shown, names) or names
    if not pictures:
        raise DataError("there is no picture: give one as asset")
    bare_own = _without(own, names)
    places = tuple(f"assets.{one}" for one in pictures)
    fitted = (
        named
        or routing.classifiers.get(name)
        or routing.matching(bare_own, lambda one: _keys(question, one) is not None)
    )
    if fitted is not None:
        return asked_fitted(where, fitted, bare_own, _keys(question, fitted), places)
    # The pictures are shown first anyway: a state that is nothing else says nothing more.
    parts = [part for part in (state, own, *_meanings(question)) if _without(part, names)]
    text = "\n\n".join(_worded(part, names, pictures) for part in parts)
    return asked_base(where, routing, text, _options(question, names, pictures), places)


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return json.dumps(content, ensure_ascii=False)


def _criteria(question: _Any) -> list[Any]:
    if isinstance(question, ScoreQuestion):
        return list(question.criteria)
    if isinstance(question, ChoiceQuestion):
        return [part for option in question.criteria.items() for part in option]
    return [] if question.criteria is None else [question.criteria.true, question.criteria.false]


def _meanings(question: _Any) -> list[str]:
    """What yes and no mean, for the base model."""
    if not isinstance(question, NoulQuestion) or question.criteria is None:
        return []
    told = {"Yes": question.criteria.true, "No": question.criteria.false}
    return ["\n".join(f"{word}: {_text(meant)}" for word, meant in told.items() if meant)]


def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)")


def _mentioned(texts: list[str], names: tuple[str, ...]) -> tuple[str, ...]:
    pattern = _pattern(names)
    return tuple(dict.fromkeys(found for text in texts for found in pattern.findall(text)))


def _without(text: str, names: tuple[str, ...]) -> str:
    return _pattern(names).sub(" ", text).strip()


def _worded(text: str, names: tuple[str, ...], pictures: tuple[str, ...]) -> str:
    """Name pictures in a text by number: they are shown before it, not in it."""
    if len(text) > LONGEST_TEXT:
        raise DataError(f"{len(text):,} characters, more than {LONGEST_TEXT:,}")
    alone = len(pictures) == 1
    return _pattern(names).sub(
        lambda found: "the picture" if alone else f"picture {pictures.index(found[0]) + 1}", text
    )


def _keys(question: _Any, fitted: Fitted) -> Mapping[str, str] | None:
    """Each answer of the classifier with the option it stands for, in the question's order."""
    if isinstance(question, NoulQuestion):
        labels = fitted.labels or ("yes", "no")
        yes = [label for label in labels if label.casefold() in _YES]
        no = [label for label in labels if label.casefold() in _NO]
        fits = len(labels) == 2 and len(yes) == len(no) == 1
        return {yes[0]: "true", no[0]: "false"} if fits else None
    if isinstance(question, ChoiceQuestion):
        keys = {option: option for option in question.criteria}
    else:
        keys = {_text(level): str(index) for index, level in enumerate(question.criteria)}
        numbers = [str(index) for index in range(len(question.criteria))]
        if set(fitted.labels) == set(numbers):
            return dict(zip(numbers, numbers, strict=True))
    if fitted.labels:
        return keys if set(keys) == set(fitted.labels) else None
    return keys if len(keys) == len(question.criteria) > 1 else None


def _options(
    question: _Any, names: tuple[str, ...], pictures: tuple[str, ...]
) -> dict[str, str] | None:
    """Each option with how the base model is shown it; ``None`` for yes or no."""
    if isinstance(question, NoulQuestion):
        return None

    def worded(content: Any) -> str:
        return _worded(_text(content), names, pictures)

    if isinstance(question, ScoreQuestion):
        return {str(index): worded(level) for index, level in enumerate(question.criteria)}
    return {
        option: f"{worded(option)}: {worded(told)}" if told else worded(option)
        for option, told in question.criteria.items()
    }


def answer_said(question: _Any, asked: Asked, answer: Answer) -> dict[str, Any]:
    """Say an answer as the question's type has it."""
    by_option = asked.probabilities(answer)
    if isinstance(question, NoulQuestion):
        return {"type": "noul", "noul": by_option["true"]}
    if isinstance(question, ChoiceQuestion):
        ordered = {option: by_option[option] for option in question.criteria}
        return {
            "type": "choice",
            "choice": asked.label(answer),
            "confidence": confidence_of(ordered[asked.label(answer)], len(ordered)),
            "probabilities": ordered,
        }
    return _score_said(question, [by_option[str(i)] for i in range(len(question.criteria))])


def _score_said(question: ScoreQuestion, shares: list[float]) -> dict[str, Any]:
    n = len(shares)
    best = max(range(n), key=shares.__getitem__)
    distance = sum(share * abs(level - best) for level, share in enumerate(shares))
    chance = sum(abs(level - (n - 1) / 2) for level in range(n)) / n
    return {
        "type": "score",
        "score": sum(level * share for level, share in enumerate(shares)),
        "legend": {str(index): level for index, level in enumerate(question.criteria)},
        "confidence": 1.0 if n == 1 else max(0.0, 1 - distance / chance),
        "probabilities": {str(index): share for index, share in enumerate(shares)},
    }


def confidence_of(probability: float, n_options: int) -> float:
    """Return how far a probability is above chance: 0 at 1/n, 1 at 1, as ``transformers`` does.

    Examples
    --------
    >>> confidence_of(0.75, 2)
    0.5
    """
    if n_options == 1:
        return 1.0
    return max(0.0, (probability - 1 / n_options) / (1 - 1 / n_options))
