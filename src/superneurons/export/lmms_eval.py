"""A fitted classifier or cascade as a model of ``lmms-eval``.

::

    lmms-eval --model superneurons --model_args classifier=clf --tasks my_task --batch_size 16

``lmms-eval`` finds it by the entry point that this package declares (``lmms_eval.models``).
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from superneurons._extras import require
from superneurons.errors import DataError, ModelError, Problem
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import ImageSource, Record

if TYPE_CHECKING:
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["Requests", "manifest"]

MODEL = "SuperNeuronsModel"
_BATCH = 8
_BATCHES_AT_ONCE = 8
_LEAST = sys.float_info.min


def manifest() -> Any:
    """Return what ``lmms-eval`` registers: the model ``superneurons``, and where its class is.

    Raises
    ------
    MissingExtraError
        When ``lmms-eval`` is not installed.
    """
    return _required("lmms_eval.models.registry_v2").ModelManifest(
        model_id="superneurons", simple_class_path=f"{__name__}.{MODEL}"
    )


def __getattr__(name: str) -> Any:
    """Make the class when it is asked for: its base is in a package that may not be there."""
    if name == MODEL:
        return _model_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _model_class() -> type:
    base = _required("lmms_eval.api.model").lmms
    about = {"__module__": __name__, "__doc__": Requests.__doc__}
    return type(MODEL, (Requests, base), about)


@cache
def _pair_class() -> type:
    """A tuple that is a result of generation, too: ``lmms-eval`` 0.7.3 makes words of any other."""
    base: Any = _required("lmms_eval.api.instance").GenerationResult

    class Pair(tuple[float, bool], base):
        def __init__(self, values: tuple[float, bool]) -> None:
            base.__init__(self, values)

    return Pair


def _required(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports in turn
        return require(module, extra="lmms", purpose="Answering lmms-eval")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request: which document, what is asked, what gives its pictures, and which answer."""

    place: tuple[str, str, int]
    question: str
    pictures: Any
    answer: str | None = None

    @property
    def key(self) -> tuple[object, ...]:
        return *self.place, self.question

    @property
    def where(self) -> str:
        return ":".join(map(str, self.place))


class Requests:
    """The requests of ``lmms-eval``, answered by a fitted classifier or cascade.

    Parameters
    ----------
    classifier
        Directory of an artefact, or what is fitted.
    model
        The base model, where it isn't where the artefact says.
    batch_size
        Records per forward pass; 8 for ``None`` and ``"auto"``.
    max_batch_size
        Not needed.
    device
        Where it runs; chosen by itself for ``None``.
    question
        ``task``: what the task asks, which has to be what the classifier was fitted on, if that
        was one question; ``fitted``: that question, whatever the task's words around it are.
    trust_remote_code
        As in :func:`~superneurons.vlm.opening.open_vlm`.

    Raises
    ------
    ArtefactError, ModelError
        When the artefact can't be read, or its base model not be opened.
    DataError
        When an argument can't be used.
    """

    is_simple = True
    task_dict: Mapping[str, Any]

    def __init__(
        self,
        classifier: str | Path | SuperNeuronClassifier | Cascade,
        *,
        model: str | None = None,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,  # noqa: ARG002  # lmms-eval gives it to every model
        device: str | None = None,
        question: Literal["task", "fitted"] = "task",
        trust_remote_code: bool = False,
    ) -> None:
        super().__init__()
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ModelError(
                "A classifier answers in one process only.",
                where="WORLD_SIZE",
                mend="Run lmms-eval without accelerate or torchrun.",
            )
        self.batch_size = _batch(batch_size)
        fitted: Any = classifier
        if isinstance(classifier, str | Path):
            options = {"device": device or "auto", "trust_remote_code": trust_remote_code}
            fitted = _loaded(Path(classifier).expanduser(), model, self.batch_size, options)
        self.classifier: SuperNeuronClassifier | Cascade = fitted
        if question not in ("task", "fitted") or (question == "fitted" and not fitted.question_):
            raise DataError(
                f"The question can't be {question!r}."
                + (" The classifier was fitted on several." if question == "fitted" else ""),
                where="model_args: question",
                mend="Give task, or fitted for a classifier of one question.",
            )
        self.question = question

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Return the label of each request; settings of generation have nothing to set.

        Raises
        ------
        DataError
            When requests can't be answered: another question than the fitted one, no pictures, no
            options where the classifier needs them. Lists all, before the model runs.
        """
        asked = self._read(requests, with_answers=False)
        found = self._answers(asked, {})
        return [found[one.key].label for one in asked]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Return for each answer that is asked about minus its log-probability, and if it is given.

        ``lmms-eval`` takes the answer with the *least* value (its models return a loss): that is
        the one that the classifier gives, also where others are as likely.

        Raises
        ------
        DataError
            As in :meth:`generate_until`; also for an answer that the classifier doesn't know.
        """
        asked = self._read(requests, with_answers=True)
        options = self._options(asked)
        found, values = self._answers(asked, options), []
        for one in asked:
            prediction, label = found[one.key], self._label(one)
            given = label == prediction.label
            value, best = (_loss(prediction, name) for name in (label, prediction.label))
            loss = value if given else max(value, math.nextafter(best, math.inf))
            values.append(_pair_class()((loss, given)))
        return values

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:  # noqa: ARG002
        """Refuse: a classifier answers one question, once.

        Raises
        ------
        ModelError
            Always.
        """
        raise ModelError(
            "A classifier has nothing to say in a second round.",
            where="output_type: generate_until_multi_round",
            mend="Use a task with output_type generate_until or multiple_choice.",
        )

    @property
    def _labels(self) -> list[str]:
        return [str(label) for label in self.classifier.classes_]

    def _read(self, requests: Sequence[Any], *, with_answers: bool) -> list[_Asked]:
        """Read all requests, or say of all what is wrong."""
        found, problems = [], []
        for number, request in enumerate(requests):
            try:
                text, target, pictures, doc_id, task, split = request.args
            except ValueError:
                problems.append(Problem(f"request {number}", "has no document: no picture"))
                continue
            one = _Asked((task, split, doc_id), self._question(text), pictures)
            if with_answers:
                said = target(self._document(one)) if callable(target) else target
                one = _Asked(one.place, one.question, pictures, str(said).strip())
            wrong = self._wrong(one)
            problems += [Problem(one.where, wrong)] if wrong else []
            found.append(one)
        if problems:
            raise DataError(
                f"{len(problems)} of {len(requests)} requests can't be answered by this "
                "classifier.",
                problems=problems,
                mend="Let the task ask what the classifier was fitted on (pre_prompt, post_prompt "
                "and choices of its YAML), or fit one on what it asks.",
            )
        return found

    def _question(self, text: str) -> str:
        """What is asked: the very words that were fitted on, where no more than space differs."""
        known: str | None = self.classifier.question_
        same = known is not None and text.split() == known.split()
        return str(known) if same or self.question == "fitted" else text

    def _wrong(self, one: _Asked) -> str:
        known, labels = self.classifier.question_, self._labels
        if known is not None and one.question != known:
            return f"asks {one.question!r}; the classifier was fitted on {known!r}"
        if not callable(one.pictures):
            return "has no pictures (doc_to_visual)"
        if not labels and one.answer is None:
            return "has no options, and the classifier knows no labels of its own (multiple_choice)"
        if labels and one.answer is not None and self._label(one) not in labels:
            return f"asks about {one.answer!r}, which is none of {', '.join(map(repr, labels))}"
        return ""

    def _label(self, one: _Asked) -> str:
        """The label that an answer stands for: the same word, or the only one but for its case."""
        said, labels = str(one.answer), self._labels
        alike = [label for label in labels if label.casefold() == said.casefold()]
        return alike[0] if said not in labels and len(alike) == 1 else said

    def _options(self, asked: Sequence[_Asked]) -> dict[tuple[object, ...], tuple[str, ...]]:
        """The answers that are asked about for each question, where they are a choice."""
        found: dict[tuple[object, ...], dict[str, None]] = {}
        for one in asked:
            found.setdefault(one.key, {})[self._label(one)] = None
        every = set(self._labels)
        return {
            key: tuple(labels)
            for key, labels in found.items()
            if len(labels) > 1 and set(labels) != every
        }

    def _answers(
        self, asked: Sequence[_Asked], options: Mapping[tuple[object, ...], tuple[str, ...]]
    ) -> dict[tuple[object, ...], Prediction]:
        """Answer each question once, however many answers are asked about."""
        once = list({one.key: one for one in asked}.values())
        found: dict[tuple[object, ...], Prediction] = {}
        for batch in _batches(once, _BATCHES_AT_ONCE * self.batch_size):
            records = [
                Record(
                    self._pictures(one), one.question, options=options.get(one.key), id=one.where
                )
                for one in batch
            ]
            answers = self.classifier.answers(records)
            found |= {one.key: answer for one, answer in zip(batch, answers, strict=True)}
        return found

    def _document(self, one: _Asked) -> Any:
        task, split, number = one.place
        return self.task_dict[task][split][number]

    def _pictures(self, one: _Asked) -> tuple[ImageSource, ...]:
        from PIL.Image import Image

        given = one.pictures(self._document(one)) or ()
        wrong = [type(one).__name__ for one in given if not isinstance(one, Image | str | Path)]
        if wrong or not given:
            raise DataError(
                f"doc_to_visual gave {', '.join(wrong) or 'nothing'}, not pictures.",
                where=one.where,
                mend="Let it return a list of PIL images, or of paths.",
            )
        return tuple(Path(each) if isinstance(each, str) else each for each in given)


def _loss(prediction: Prediction, label: str) -> float:
    return -math.log(max(prediction.probabilities.get(label, 0.0), _LEAST))


def _batches(asked: Sequence[_Asked], size: int) -> Iterator[Sequence[_Asked]]:
    for start in range(0, len(asked), size):
        yield asked[start : start + size]


def _batch(given: int | str | None) -> int:
    if given is None or str(given).startswith("auto"):
        return _BATCH
    if str(given).isdecimal() and int(given) > 0:
        return int(given)
    raise DataError(
        f"The batch size is {given!r}.", where="--batch_size", mend="Give a whole number from 1 on."
    )


def _loaded(
    directory: Path, model: str | None, batch_size: int, options: dict[str, Any]
) -> SuperNeuronClassifier | Cascade:
    from superneurons.shortcut.artefact import read_any
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    kind = Cascade if read_any(directory).get("kind") == "cascade" else SuperNeuronClassifier
    fitted: Any = kind.from_pretrained(directory, model, batch_size=batch_size, **options)
    return fitted
