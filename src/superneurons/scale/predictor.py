"""A saved classifier as a function of columns, for engines that work batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem
from superneurons.scale.columns import converted, rows_of_columns
from superneurons.shortcut.prediction import Prediction
from superneurons.task.images import open_image
from superneurons.task.record import Record
from superneurons.task.rows import Row

if TYPE_CHECKING:
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["OnError", "Predictor"]

OnError: TypeAlias = Literal["column", "raise"]
"""What becomes of a row that cannot be answered: its error stands in a column, or is raised."""

_ADDED = ("label", "confidence", "exit_layer", "error")


class Predictor:
    """A saved classifier or cascade that adds answers to columns.

    Fits ``ray.data.Dataset.map_batches`` (the class itself), ``datasets.Dataset.map`` with
    ``batched=True`` (an instance) and Spark's ``mapInPandas`` (:meth:`frames`), and imports none
    of them. The base model is opened at the first batch, once per process: what is sent to
    workers are settings, not weights.

    Parameters
    ----------
    directory : path
        What ``superneurons fit``, ``search`` or ``cascade`` saved.
    model : str, optional
        The base model, if it is elsewhere now.
    batch_size : int
        Records per forward pass, whatever the size of the engine's batches.
    device : str
        ``cpu``, ``cuda:0``, or ``auto``.
    question : str, optional
        The question of rows without one; by default that of the fit.
    base : path
        Where relative picture paths start.
    prefix : str
        Put before the names of the columns that are added: ``label`` (text, empty where there is an
        error), ``confidence`` (float64, NaN there), ``exit_layer`` (int64, -1 there) and ``error``
        (text, empty where there is none). They have one type in every batch.
    on_error : {"column", "raise"}
        What becomes of rows that cannot be answered (:data:`OnError`).
    opening
        What else ``from_pretrained`` takes, such as ``acceleration`` or ``trust_remote_code``.

    Examples
    --------
    >>> answer = Predictor("my-classifier", batch_size=32)  # doctest: +SKIP
    >>> answer({"image": ["a.png"], "question": ["Is it broken?"]})["label"]  # doctest: +SKIP
    array(['yes'], dtype=object)
    """

    def __init__(
        self,
        directory: str | Path,
        model: str | None = None,
        *,
        batch_size: int = 8,
        device: str = "auto",
        question: str | None = None,
        base: str | Path = "",
        prefix: str = "",
        on_error: OnError = "column",
        **opening: Any,
    ) -> None:
        self.directory = Path(directory)
        self.model = model
        self.batch_size = batch_size
        self.question = question
        self.base = Path(base)
        self.prefix = prefix
        self.on_error = on_error
        self.opening = {"batch_size": batch_size, "device": device, **opening}
        self._opened: tuple[SuperNeuronClassifier | Cascade, str | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open model behind: each process opens its own."""
        return {**self.__dict__, "_opened": None}

    def open(self) -> SuperNeuronClassifier | Cascade:
        """Return the classifier, opened once.

        Raises
        ------
        ArtefactError
            When there is none, or it is damaged or of another model.
        ModelError
            When its model cannot be opened.
        """
        return self._open()[0]

    def _open(self) -> tuple[SuperNeuronClassifier | Cascade, str | None]:
        if self._opened is None:
            self._opened = _loaded(self.directory, self.model, self.opening)
        return self._opened

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Add answers to columns.

        Parameters
        ----------
        batch
            Columns of N values each, lists or arrays: ``image`` (path, bytes, PIL picture or
            pixels) or ``images``, and ``question``, ``options``, ``id`` as in a data file.

        Returns
        -------
        dict
            The same columns, and the answers'.

        Raises
        ------
        DataError
            When a column would be overwritten, or columns differ in length; with
            ``on_error="raise"``, everything that is wrong with the rows.
        """
        taken = [self.prefix + name for name in _ADDED if self.prefix + name in batch]
        if taken:
            raise DataError(
                f"The data have columns of the answers' names: {', '.join(taken)}.",
                mend="Rename or drop them, or give a prefix, such as prefix='answer_'.",
            )
        found = self.answers(rows_of_columns(batch))
        return {**batch, **{self.prefix + k: v for k, v in _columns(found).items()}}

    def frames(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Add answers to pandas frames one after the other, as Spark's ``mapInPandas`` asks.

        Parameters
        ----------
        frames
            pandas frames of any length.
        """
        for frame in frames:
            given = {str(name): frame[name].tolist() for name in frame.columns}
            answered = self(given)
            yield frame.assign(**{name: answered[name] for name in answered if name not in given})

    def answers(
        self, rows: Sequence[Row], *, base: Path | None = None
    ) -> list[Prediction | DataError]:
        """Answer rows: a prediction each, or what is wrong with it.

        Parameters
        ----------
        rows
            N of them.
        base
            Where relative picture paths start, if elsewhere.

        Raises
        ------
        DataError
            With ``on_error="raise"``: everything that is wrong, after the good rows were answered.
        """
        _, question = self._open()
        found: list[Any] = converted(
            rows, base=base or self.base, question=self.question or question
        )
        good = [n for n, record in enumerate(found) if isinstance(record, Record)]
        for n, answer in zip(good, self._answered([found[n] for n in good]), strict=True):
            found[n] = answer
        wrong = [e for e in found if isinstance(e, DataError)]
        if wrong and self.on_error == "raise":
            raise DataError(
                f"{len(wrong)} of {len(rows)} rows cannot be answered.",
                problems=[p for error in wrong for p in _problems(error)],
                mend="Mend these rows, or leave them out.",
            )
        return found

    def _answered(self, records: Sequence[Record]) -> list[Prediction | DataError]:
        """Answer all at once; only where that fails is it worth finding out which are at fault."""
        classifier = self.open()
        found: list[Any] = [None] * len(records)
        for wrong_with in (_nothing, _undecodable, partial(_unanswerable, classifier)):
            found = [error or wrong_with(records[n]) for n, error in enumerate(found)]
            good = [n for n, error in enumerate(found) if error is None]
            try:
                answers = list(classifier.answers([records[n] for n in good]))
            except DataError:
                continue
            for n, answer in zip(good, answers, strict=True):
                found[n] = answer
            break
        return found


def _nothing(_: Record) -> None:
    return None


def _undecodable(record: Record) -> DataError | None:
    try:
        for image in record.images:
            open_image(image)
    except DataError as error:
        return error
    return None


def _unanswerable(classifier: SuperNeuronClassifier | Cascade, record: Record) -> DataError | None:
    try:
        list(classifier.answers([record]))
    except DataError as error:
        return error
    return None


def _problems(error: DataError) -> Sequence[Problem]:
    return error.problems or (Problem(error.where or "a row", error.what),)


def _columns(found: Sequence[Prediction | DataError]) -> dict[str, NDArray[Any]]:
    """The columns that are added; each of one type whatever is in the batch."""
    right = [answer if isinstance(answer, Prediction) else None for answer in found]
    errors = [str(answer) if isinstance(answer, DataError) else "" for answer in found]
    return {
        "label": np.array([answer.label if answer else "" for answer in right], dtype=object),
        "confidence": np.array([answer.confidence if answer else np.nan for answer in right]),
        "exit_layer": np.array(
            [answer.exit_layer if answer else -1 for answer in right], dtype=np.int64
        ),
        "error": np.array(errors, dtype=object),
    }


def _loaded(
    directory: Path, model: str | None, opening: Mapping[str, Any]
) -> tuple[SuperNeuronClassifier | Cascade, str | None]:
    """Load what was saved, and the question that it was fitted on, if it was one."""
    from superneurons.shortcut.artefact import read_any, read_config
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.cascade_artefact import read_cascade_config
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    if read_any(directory).get("kind") == "cascade":
        config = read_cascade_config(directory)
        return Cascade.from_pretrained(directory, model, **opening), config["question"]
    config = read_config(directory)
    return SuperNeuronClassifier.from_pretrained(directory, model, **opening), config["question"]
