"""Verify a shortcut that a search chose, on records that had no part in choosing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from superneurons.activations.capture import Captured
from superneurons.evaluate.answers import Answers, answers_of
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Lead, Row
from superneurons.evaluate.logit_answers import logit_answers
from superneurons.evaluate.paired import mcnemar, paired_difference
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.rivals import BaseTask, base_task, majority_labels, text_only_labels
from superneurons.evaluate.scoring import as_classes, score_records
from superneurons.evaluate.setting import setting_of
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet
from superneurons.shortcut.search import classifier_at, search_shortcuts
from superneurons.shortcut.search_points import Point, ShortcutSearch
from superneurons.shortcut.search_space import SearchSpace
from superneurons.shortcut.timing import Timing, time_together
from superneurons.task.groups import group_ids
from superneurons.task.labels import is_multiple_choice, label_set
from superneurons.task.record import Record
from superneurons.task.split import grouped_split
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["CALIBRATED", "CHOSEN", "held_out", "search_with_base", "verify"]

CHOSEN = "chosen shortcut"
CALIBRATED = "calibrated logits"


def held_out(
    records: Sequence[Record], *, share: float = 0.3, seed: int = 0
) -> tuple[list[Record], list[Record]]:
    """Part records into those to search with and those to verify on; groups are kept whole.

    Raises
    ------
    DataError
        As :func:`~superneurons.task.split.grouped_split` does.
    """
    train, test = grouped_split(records, test_size=share, seed=seed)
    return [records[index] for index in train], [records[index] for index in test]


def search_with_base(
    vlm: VLM,
    records: Sequence[Record],
    space: SearchSpace | None = None,
    *,
    steps: Steps = silent,
    **options: Any,
) -> ShortcutSearch:
    """Search for shortcuts, and keep the base model's own logits from the same pass.

    Parameters
    ----------
    vlm, records, space
        As in :func:`~superneurons.shortcut.search.search_shortcuts`.
    steps
        What shows progress.
    **options
        Others of its parameters.

    Raises
    ------
    DataError
        When pictures or labels cannot be used, or nothing is left to search.
    ModelError
        When the model is cut off, or lacks what is searched.
    """
    words = base_task(vlm, records, _labels(records)).words
    with steps("running the model") as told:
        return search_shortcuts(vlm, records, space, words=words, progress=told, **options)


def verify(
    vlm: VLM,
    search: ShortcutSearch,
    point: Point,
    train: Sequence[Record],
    held: Sequence[Record],
    *,
    batch_size: int = 8,
    repeats: int = 5,
    seed: int = 0,
    steps: Steps = silent,
    witness: Callable[[SuperNeuronClassifier, ProbingSet, Captured], object] | None = None,
) -> tuple[Comparison, SuperNeuronClassifier]:
    """Fit a shortcut on the records of the search, and score it on others.

    Parameters
    ----------
    vlm, search, point
        The whole model, what was found, and what was chosen of it.
    train, held
        The records of the search, and others.
    batch_size
        Records per forward pass.
    repeats
        Rounds of the timing, one record at a time from its pictures to the answer; 0 for none.
    seed, steps, witness
        Seed of all that is drawn, what shows progress, and what is shown the fitted shortcut with
        what it was fitted on, while that is there.

    Returns
    -------
    comparison, classifier
        The shortcut beside the base model (its logits calibrated on the records of the search, and
        raw), a text-only classifier and the majority class; and the shortcut, ready to be used.

    Raises
    ------
    DataError
        When a held-out record shares a picture or a group with one of the search.
    """
    two_parts(train, held)
    labels = _labels(train)
    classifier = classifier_at(point, vlm, random_state=seed, batch_size=batch_size)
    with steps("fitting") as told:
        classifier.fit(train, progress=told, witness=witness and partial(witness, classifier))
    given = {CHOSEN: answers_of(held, list(classifier.answers(held)), labels)}
    base = base_task(vlm, train, labels)
    with steps("base model") as told:
        given |= _base_answers(vlm, base, search, held, batch_size=batch_size, progress=told)
    given["text only"] = Answers(text_only_labels(train, held, labels))
    given["majority class"] = Answers(majority_labels(train, held, labels))
    with steps("timing") as told:
        calls = _calls(vlm, classifier, base, held, _prompt(search)) if repeats else {}
        timings = time_together(calls, repeats=repeats, device=vlm.device, progress=told)
    rows = _rows(vlm, classifier, base, held, given, labels, timings, seed)
    setting = setting_of(vlm, held, repeats, seed, _prompt(search)) | {
        "searched_points": len(search.points), "search_records": len(train), "point": str(point),
    }  # fmt: skip
    return Comparison(tuple(rows), setting, {}, test=held), classifier


def _labels(records: Sequence[Record]) -> tuple[str, ...]:
    return () if is_multiple_choice(records) else label_set(records)


def _prompt(search: ShortcutSearch) -> Prompt:
    return Prompt(search.settings["orders"][0], search.settings.get("prompt_template"))


def _base_answers(
    vlm: VLM,
    base: BaseTask,
    search: ShortcutSearch,
    held: Sequence[Record],
    *,
    batch_size: int,
    progress: Callable[[int, int], None],
) -> dict[str, Answers]:
    """Answers of the base model's logits, calibrated on the search's records, and raw."""
    if base.words is None or search.label_logits is None or search.probing is None:
        return {}
    logits = base.logits(
        vlm, held, prompt=_prompt(search), batch_size=batch_size, progress=progress
    )
    # What the search kept was asked in its form already, by letter where options are.
    asked = replace(base, by_letter=False)
    known = search.probing.records, search.label_logits
    found = {}
    for name, calibrated in ((CALIBRATED, True), (FIRST_TOKEN, False)):
        answers = logit_answers(asked, known, (base.asked(held), logits), calibrated=calibrated)
        found[name] = replace(answers, labels=base.labels(held, answers.labels))
    return found


def _calls(
    vlm: VLM,
    classifier: SuperNeuronClassifier,
    base: BaseTask,
    held: Sequence[Record],
    prompt: Prompt,
) -> dict[str, Callable[[int], object]]:
    asked = base.asked(held)

    def whole(number: int) -> object:
        return vlm.last_states(vlm.encode([asked[number % len(asked)]], prompt), logits=True)

    def shortcut(number: int) -> object:
        return classifier.answer(classifier.vlm, [held[number % len(held)]])

    return {CHOSEN: shortcut, FIRST_TOKEN: whole}


def _rows(
    vlm: VLM,
    classifier: SuperNeuronClassifier,
    base: BaseTask,
    held: Sequence[Record],
    given: Mapping[str, Answers],
    labels: Sequence[str],
    timings: Mapping[str, Timing],
    seed: int,
) -> list[Row]:
    runs = {CALIBRATED: vlm.n_layers, FIRST_TOKEN: vlm.n_layers, CHOSEN: classifier.exit_layer_}
    clock = {**timings, CALIBRATED: timings.get(FIRST_TOKEN)}
    rows = []
    for name, answers in given.items():
        chosen = name == CHOSEN
        scores = score_records(
            held, answers.labels, labels=labels, seed=seed,
            probabilities=answers.probabilities if chosen else None,
        )  # fmt: skip
        rows.append(
            Row(
                name, scores, runs.get(name), len(classifier.neurons_) if chosen else None,
                clock.get(name),
                lead=None if chosen else _lead(held, given[CHOSEN], answers, labels, seed),
                answers=answers,
            )
        )  # fmt: skip
    if FIRST_TOKEN not in given:
        clocked = timings.get(FIRST_TOKEN)
        rows.append(Row(FIRST_TOKEN, None, vlm.n_layers, timing=clocked, note=base.why_not))
    return rows


def _lead(
    held: Sequence[Record],
    ours: Answers,
    theirs: Answers,
    labels: Sequence[str],
    seed: int,
) -> Lead:
    truth, first, classes = as_classes(held, ours.labels, labels)
    other = as_classes(held, theirs.labels, labels)[1]
    difference = paired_difference(
        truth, first, other, classes=classes, groups=group_ids(held).tolist(), seed=seed
    )
    right = np.array(truth)
    return Lead(difference, mcnemar(np.array(first) == right, np.array(other) == right))
