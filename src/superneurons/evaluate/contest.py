"""Let every way of answering answer the same records, each fitted on others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from superneurons.activations.lens import logit_lens
from superneurons.activations.site import Site
from superneurons.errors import ModelError
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.entries import Entry
from superneurons.evaluate.logit_answers import best_lens_layer, logit_answers
from superneurons.evaluate.pool import Part, Pool
from superneurons.evaluate.rivals import BaseTask, majority_labels, text_only_labels
from superneurons.probes.registry import make_read_out
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import Form
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Contest", "Fitted", "joined_answers"]


@dataclass(frozen=True)
class Fitted:
    """An entry with its answers to all test records, and fitted as a user would get it.

    Parameters
    ----------
    entry
        What was fitted.
    classifier
        Fitted on the only training part, or on all records where parts are crossed.
    answers
        To the test records, in the order of the parts.
    """

    entry: Entry
    classifier: SuperNeuronClassifier
    answers: Answers


@dataclass(frozen=True)
class Contest:
    """The records, all that the model gave for them, and how they are parted.

    Parameters
    ----------
    vlm
        The whole model.
    records
        N labelled records.
    parts
        What is fitted on, and what is answered.
    labels
        The common labels; empty when records bring options of their own.
    pools
        What the model gave, by the form it was asked in.
    base
        How the base model is asked.
    logits
        Its first-token logits of the labels, shape (N, C), where they can be told apart.
    seed
        Of everything that is drawn.
    prompt
        How the model is asked.
    """

    vlm: VLM
    records: Sequence[Record]
    parts: Sequence[Part]
    labels: tuple[str, ...]
    pools: Mapping[Form, Pool]
    base: BaseTask
    logits: NDArray[np.float32] | None
    seed: int
    prompt: Prompt = field(default_factory=Prompt)

    @property
    def test(self) -> list[Record]:
        """The test records, in the order of the parts."""
        return [self.records[index] for part in self.parts for index in part.test]

    @property
    def probed(self) -> NDArray[np.int64]:
        """What a user's classifier is fitted on: the only training part, or all records."""
        return self.parts[0].train if len(self.parts) == 1 else np.arange(len(self.records))

    @property
    def native(self) -> Form:
        """How a question is asked that is asked once."""
        return "direct" if self.labels else "lettered"

    @property
    def many(self) -> bool:
        """Whether there are more than two answers."""
        return len(self.labels) != 2

    def pool(self, entry: Entry) -> Pool:
        """Return what the model gave in the form that an entry asks in."""
        return self.pools[entry.form(self.native, many=self.many)]

    def majority(self) -> Answers:
        """Always the most frequent answer of the training part."""
        return self._from_labels(majority_labels)

    def text_only(self) -> Answers:
        """By the words of the question alone."""
        return self._from_labels(text_only_labels)

    def _from_labels(self, answer: Callable[..., list[str]]) -> Answers:
        parts = [(self._take(part.train), self._take(part.test)) for part in self.parts]
        return joined_answers([Answers(answer(*pair, self.labels)) for pair in parts])

    def by_logits(self, *, calibrated: bool) -> Answers:
        """By the base model's own logits.

        Raises
        ------
        ModelError
            When its first token can't tell the labels apart.
        """
        logits = self._own_logits()
        return joined_answers([self._answer(p, logits, calibrated=calibrated) for p in self.parts])

    def by_lens(self, *, calibrated: bool) -> tuple[Answers, int]:
        """By a logit lens at the layer that does best on the training part.

        Returns
        -------
        answers, layer
            The layer is that of the first part that is fitted on.
        """
        found, layers = [], []
        for part in self.parts:
            layer = best_lens_layer(
                self.base, self._take(part.train), self._lens[part.train], calibrated=calibrated,
                seed=self.seed,
            )  # fmt: skip
            layers.append(layer)
            found.append(self._answer(part, self._lens[:, layer - 1], calibrated=calibrated))
        return joined_answers(found), layers[0]

    def _own_logits(self) -> NDArray[np.float32]:
        if self.logits is None:
            raise ModelError("The label words can't be told apart.", mend=self.base.why_not)
        return self.logits

    @cached_property
    def _lens(self) -> NDArray[np.float32]:
        """Logits over the label words of each layer, shape (N, L, C)."""
        if self.base.words is None:
            raise ModelError("The label words can't be told apart.", mend=self.base.why_not)
        states = self.pools[self.native].captured.at(Site()).activations
        return logit_lens(self.vlm, states, self.base.words)

    def _answer(self, part: Part, logits: NDArray[np.float32], *, calibrated: bool) -> Answers:
        train, test = ((self._take(rows), logits[rows]) for rows in (part.train, part.test))
        return logit_answers(self.base, train, test, calibrated=calibrated)

    def _take(self, rows: NDArray[np.int64]) -> list[Record]:
        return [self.records[index] for index in rows]

    def fit(self, entry: Entry) -> Fitted:
        """Fit an entry on each part and let it answer the other.

        Raises
        ------
        DataError
            When it can't learn these records.
        """
        pool, crossed, found = self.pool(entry), len(self.parts) > 1, []
        for part in self.parts:
            fitted = self._classifier(entry, pool, part.train, again=crossed)
            found.append(self._given(fitted, entry, part))
        if crossed:
            fitted = self._classifier(entry, pool, self.probed)
        return Fitted(entry, fitted, joined_answers(found))

    def up_to(self, entry: Entry, layer: int) -> Answers:
        """Let an entry answer that reads the first layers of its site only, and all of these.

        Parameters
        ----------
        entry
            It is fitted on each part as by :meth:`fit`.
        layer
            The last that it may read, from 1.

        Raises
        ------
        DataError
            When it can't learn these records.
        """
        pool, params = self.pool(entry), dict(entry.params)
        if "tolerance" in make_read_out(entry.read_out).get_params():
            params["tolerance"] = None
        within, found = replace(entry, params=params), []
        for part in self.parts:
            fitted = self._classifier(within, pool, part.train, again=True, max_layer=layer)
            found.append(self._given(fitted, within, part))
        return joined_answers(found)

    def _given(self, fitted: SuperNeuronClassifier, entry: Entry, part: Part) -> Answers:
        pool, test = self.pool(entry), self._take(part.test)
        captured = pool.at(entry.site, pool.rows(part.test))
        predictions = fitted.answer_captured(test, captured)
        labels = [prediction.label for prediction in predictions]
        return Answers(labels, self._shares([p.probabilities for p in predictions], test))

    def _classifier(
        self,
        entry: Entry,
        pool: Pool,
        train: NDArray[np.int64],
        *,
        again: bool = False,
        max_layer: int | None = None,
    ) -> SuperNeuronClassifier:
        rows = pool.balanced_rows(train, self.seed)
        classifier = SuperNeuronClassifier(
            self.vlm, read_out=entry.read_out, read_out_params=dict(entry.params) or None,
            site=entry.site.kind, position=entry.site.position, random_state=self.seed,
            prompt_order=self.prompt.order, prompt_template=self.prompt.template,
            max_layer=max_layer,
        )  # fmt: skip
        with warnings.catch_warnings():
            if entry.site.sees_only_pictures or again:
                # Two questions on one picture look the same there: what such a site cannot know.
                # And what is doubtful in a part is said of all records, which are fitted again.
                warnings.simplefilter("ignore", DataWarning)
            return classifier.fit_captured(pool.probing_set(rows), pool.at(entry.site, rows))

    def _shares(
        self, rows: Sequence[Mapping[str, float]], records: Sequence[Record]
    ) -> NDArray[np.float64]:
        """Probabilities in the order of the common labels, or of each record's options."""
        if self.labels:
            return np.array([[row.get(label, 0.0) for label in self.labels] for row in rows])
        width = max(len(record.options or ()) for record in self.records)
        padded = np.zeros((len(rows), width))
        for place, (row, record) in enumerate(zip(rows, records, strict=True)):
            values = [row[option] for option in record.options or ()]
            padded[place, : len(values)] = values
        return padded


def joined_answers(parts: Sequence[Answers]) -> Answers:
    """Join answers to one part after the other."""
    rows = [part.probabilities for part in parts if part.probabilities is not None]
    labels = [label for part in parts for label in part.labels]
    return Answers(labels, np.concatenate(rows) if len(rows) == len(parts) else None)
