"""Make a run of what a command has computed anyway; the model doesn't run again for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superneurons.activations.capture import Captured
from superneurons.evaluate.comparison import FIRST_TOKEN, Comparison, Row
from superneurons.evaluate.entrants import Entrants
from superneurons.evaluate.passes import Passes
from superneurons.report.gather_answers import agreement_of, bins_of, confusion_of
from superneurons.report.gather_curves import compared_curves, fitted_curve, measured_curves
from superneurons.report.gather_search import front_points, searched_curves
from superneurons.report.gather_selection import selection_of
from superneurons.report.gather_setting import fit_setting, made_with, name_of, questions_of
from superneurons.report.run import Run, Selection, Tradeoff
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet
from superneurons.shortcut.search_points import Point, ShortcutSearch
from superneurons.task.record import Record

__all__ = [
    "Origin",
    "gather_compare",
    "gather_demo",
    "gather_eval",
    "gather_fit",
    "gather_search",
]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run can't know by itself.

    Parameters
    ----------
    title
        The task, or the question.
    command
        What runs it again.
    thumbnails
        Whether small copies of some pictures are kept.
    """

    title: str
    command: str
    thumbnails: bool = True


def gather_fit(
    classifier: SuperNeuronClassifier,
    probing: ProbingSet,
    captured: Captured,
    records: Sequence[Record],
    origin: Origin,
) -> Run:
    """Make a run of a fit.

    Parameters
    ----------
    classifier, probing, captured
        Just fitted, and what its witness was shown.
    records
        The labelled records, as they were given.
    origin
        What is to be said beside it.
    """
    name = name_of(classifier)
    curves = fitted_curve(classifier, probing, name=name)
    doubt = "Accuracy by exit layer is of the records that chose the depth: a little too good."
    return Run(
        kind="fit",
        title=origin.title,
        questions=questions_of(records),
        labels=_labels(classifier),
        command=origin.command,
        setting=fit_setting(classifier),
        selection=selection_of(classifier, probing, captured, read_out=name),
        curves=curves,
        notes=(doubt,) if curves else (),
        subject=name,
    )


def gather_compare(found: Comparison, entrants: Entrants, origin: Origin) -> Run:
    """Make a run of a comparison of all read-outs.

    Parameters
    ----------
    found, entrants
        The comparison, and what its witness was shown.
    origin
        What is to be said beside it.

    Notes
    -----
    Answers are shown of what is recommended, if it reads neurons, else of the first read-out.
    """
    fit, contest = entrants.fits[0], entrants.contest
    choice = None if found.recommendation is None else found.recommendation.choice
    subject = next((r.name for r in found.rows if r.name == choice and r.neurons), fit.entry.name)
    notes = []
    if len(contest.parts) > 1:
        notes.append(
            f"Each record was answered by what was fitted on the others, in {len(contest.parts)} "
            "parts; the neurons that are shown were chosen on all of them."
        )
    return Run(
        kind="compare",
        title=origin.title,
        questions=questions_of(contest.records),
        labels=contest.labels,
        command=origin.command,
        setting=found.setting | made_with(fit.classifier),
        comparison=found.as_dict(),
        selection=_selection(entrants),
        curves=compared_curves(entrants),
        tradeoffs=_tradeoffs(found, choice),
        notes=tuple(notes),
        **_answered(found, subject, contest.labels, origin),
    )


def gather_demo(
    found: Comparison,
    classifier: SuperNeuronClassifier,
    passes: Passes,
    fitted: Mapping[str, SuperNeuronClassifier],
    origin: Origin,
) -> Run:
    """Make a run of a comparison of depths.

    Parameters
    ----------
    found, classifier
        What :func:`~superneurons.evaluate.depths.compare_depths` returned.
    passes, fitted
        What its witness was shown.
    origin
        What is to be said beside it.
    """
    name = next(name for name, one in fitted.items() if one is classifier)
    return Run(
        kind="demo",
        title=origin.title,
        questions=questions_of(passes.test),
        labels=passes.labels,
        command=origin.command,
        setting=found.setting | made_with(classifier),
        comparison=found.as_dict(),
        selection=selection_of(classifier, passes.probing, passes.captured, read_out=name),
        curves=measured_curves(found, fitted),
        tradeoffs=_tradeoffs(found, None),
        **_answered(found, name, passes.labels, origin),
    )


def gather_search(
    search: ShortcutSearch,
    chosen: Point,
    verified: Comparison,
    witnessed: tuple[SuperNeuronClassifier, ProbingSet, Captured],
    origin: Origin,
) -> Run:
    """Make a run of a search for shortcuts.

    Parameters
    ----------
    search, chosen, verified
        What was found, what was taken of it, and how that did on held-out records.
    witnessed
        What the witness of :func:`~superneurons.evaluate.search.verify` was shown.
    origin
        What is to be said beside it.
    """
    classifier, probing, captured = witnessed
    name, labels = verified.rows[0].name, _labels(classifier)
    told = {key: value for key, value in search.settings.items() if key != "costs"}
    return Run(
        kind="search",
        title=origin.title,
        questions=questions_of(verified.test),
        labels=labels,
        command=origin.command,
        setting=verified.setting | {"search": told} | made_with(classifier),
        comparison=verified.as_dict(),
        selection=selection_of(classifier, probing, captured, read_out=name),
        curves=searched_curves(search, chosen),
        tradeoffs=front_points(search, chosen),
        notes=(
            "The points are cross-validated, and a little too good as they were picked by it; "
            "their times count from prepared inputs to the activations. What was chosen was "
            "verified on other records, in the table, where times count from the pictures to the "
            "answer.",
        ),
        **_answered(verified, name, labels, origin),
    )


def gather_eval(found: Comparison, classifier: SuperNeuronClassifier, origin: Origin) -> Run:
    """Make a run of the evaluation of one classifier.

    Parameters
    ----------
    found, classifier
        The evaluation, and what was evaluated.
    origin
        What is to be said beside it.
    """
    labels, ours = _labels(classifier), found.rows[-1].name
    return Run(
        kind="eval",
        title=origin.title,
        questions=questions_of(found.test),
        labels=labels,
        command=origin.command,
        setting=fit_setting(classifier) | found.setting,
        comparison=found.as_dict(),
        tradeoffs=_tradeoffs(found, None),
        **_answered(found, ours, labels, origin),
    )


def _labels(classifier: SuperNeuronClassifier) -> tuple[str, ...]:
    return tuple(classifier.classes_.tolist())


def _selection(entrants: Entrants) -> Selection:
    """Score neurons on what the classifier that users would get was fitted on."""
    contest, fit = entrants.contest, entrants.fits[0]
    pool, site = contest.pool(fit.entry), fit.entry.site
    rows = pool.balanced_rows(contest.probed, contest.seed)
    probing, captured = pool.probing_set(rows), pool.at(site, rows)
    return selection_of(fit.classifier, probing, captured, read_out=fit.entry.name)


def _tradeoffs(found: Comparison, choice: str | None) -> tuple[Tradeoff, ...]:
    return tuple(
        Tradeoff(
            name=row.name,
            balanced_accuracy=row.scores.balanced_accuracy,
            interval=row.scores.balanced_accuracy_interval,
            ms=row.timing.median,
            ms_range=(row.timing.low, row.timing.high),
            exit_layer=row.exit_layer,
            chosen=row.name == choice,
        )
        for row in found.rows
        if row.scores is not None and row.timing is not None
    )


def _answered(
    found: Comparison, subject: str, labels: Sequence[str], origin: Origin
) -> dict[str, Any]:
    """What the answers of one row show, as fields of a run."""
    rows: dict[str, Row] = {row.name: row for row in found.rows}
    answers, test = rows[subject].answers, found.test
    if answers is None:
        return {}
    bins, ece = bins_of(test, answers, labels)
    base = rows[FIRST_TOKEN].answers if FIRST_TOKEN in rows else None
    return {
        "bins": bins,
        "ece": ece,
        "confusion": confusion_of(test, answers, labels, thumbnails=origin.thumbnails),
        "agreement": None if base is None else agreement_of(test, answers, base),
        "subject": subject,
    }
