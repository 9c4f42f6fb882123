"""How well read-outs do by exit layer, from what a command fitted or found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from superneurons.activations.site import Site
from superneurons.evaluate.answers import Answers
from superneurons.evaluate.comparison import Comparison
from superneurons.evaluate.contest import Contest, Fitted
from superneurons.evaluate.entrants import Entrants
from superneurons.evaluate.metrics import Scores, score
from superneurons.evaluate.scoring import score_records
from superneurons.report.run import Curve
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.probing import ProbingSet

__all__ = ["compared_curves", "doubling", "fitted_curve", "measured_curves"]

# What users choose between; each costs as many fits as there are depths and parts.
_DRAWN = ("super-neurons", "paper", "savs")


def doubling(n_layers: int) -> tuple[int, ...]:
    """Return 1, 2, 4, 8, …, and ``n_layers``.

    Examples
    --------
    >>> doubling(30)
    (1, 2, 4, 8, 16, 30)
    """
    return (*(2**power for power in range((n_layers - 1).bit_length())), n_layers)


def fitted_curve(
    classifier: SuperNeuronClassifier, probing: ProbingSet, *, name: str
) -> tuple[Curve, ...]:
    """Return the cross-validation that chose a classifier's depth.

    Parameters
    ----------
    classifier, probing
        Just fitted, and what on.
    name
        Of the read-out.

    Returns
    -------
    tuple of Curve
        One; none where nothing chose a depth, or layers aren't those of the decoder.
    """
    kept = classifier.depth_answers_
    if kept is None or not _exits(classifier.site_):
        return ()
    classes, codes = np.unique(probing.y, return_inverse=True)
    truth, groups = codes[kept.rows].tolist(), probing.groups[kept.rows].tolist()
    scores = [
        score(
            truth, given.tolist(), classes=range(len(classes)), groups=groups,
            seed=classifier.random_state,
        )
        for given in kept.given
    ]  # fmt: skip
    return (_curve(name, dict(enumerate(scores, start=1)), held_out=False),)


def compared_curves(entrants: Entrants) -> tuple[Curve, ...]:
    """Fit read-outs of a comparison with the first 1, 2, 4, … layers, and score them as it does.

    Parameters
    ----------
    entrants
        What was compared. Taken are its first read-out, the paper's rule and the attention vectors,
        as far as they were, and read the decoder before it has answered.

    Raises
    ------
    DataError
        When a read-out can't learn these records.
    """
    drawn = [
        fit
        for place, fit in enumerate(entrants.fits)
        if (place == 0 or fit.entry.key in _DRAWN) and _exits(fit.entry.site)
    ]
    return tuple(_compared(entrants, fit) for fit in drawn)


def _compared(entrants: Entrants, fit: Fitted) -> Curve:
    contest = entrants.contest
    layers = contest.vlm.shape(fit.entry.site.kind)[0]
    known = {layers: whole} if (whole := _whole(entrants, fit)) is not None else {}
    scores = {}
    for depth in doubling(layers):
        answers = known.get(depth) or contest.up_to(fit.entry, depth)
        scores[depth] = _scored(contest, answers)
    return _curve(fit.entry.name, scores, held_out=True)


def _whole(entrants: Entrants, fit: Fitted) -> Answers | None:
    """Return what a read-out answers that reads all layers, where that was fitted anyway."""
    entry = fit.entry
    if entry.read_out != "super-neurons":
        return fit.answers
    alike = (
        other.answers
        for other in entrants.fits
        if (other.entry.read_out, other.entry.site) == (entry.read_out, entry.site)
        and other.entry.multiclass == entry.multiclass
        and other.entry.params == {"tolerance": None}
    )
    return next(alike, None)


def _scored(contest: Contest, answers: Answers) -> Scores:
    return score_records(contest.test, answers.labels, labels=contest.labels, seed=contest.seed)


def measured_curves(
    found: Comparison, fitted: Mapping[str, SuperNeuronClassifier]
) -> tuple[Curve, ...]:
    """Return what :func:`~superneurons.evaluate.depths.compare_depths` measured, by read-out.

    Parameters
    ----------
    found, fitted
        Its rows, and its classifiers by the same names: each with all layers to choose from, and
        with the first few.
    """
    curves: dict[str, dict[int, Scores]] = {}
    names = {one.read_out: name for name, one in fitted.items() if one.max_layer is None}
    for row in found.rows:
        classifier = fitted.get(row.name)
        if classifier is not None and row.scores is not None:
            depth = classifier.max_layer or classifier.vlm.n_layers
            curves.setdefault(names[classifier.read_out], {})[depth] = row.scores
    return tuple(_curve(name, scores, held_out=True) for name, scores in curves.items())


def _exits(site: Site) -> bool:
    """Whether the layers of a site are exits: the model can stop after each."""
    return not (site.sees_only_pictures or site.answers_first)


def _curve(name: str, scores: Mapping[int, Scores], *, held_out: bool) -> Curve:
    rising = sorted(scores)
    return Curve(
        read_out=name,
        layers=tuple(rising),
        balanced_accuracy=tuple(scores[layer].balanced_accuracy for layer in rising),
        intervals=tuple(scores[layer].balanced_accuracy_interval for layer in rising),
        n=scores[rising[0]].n,
        held_out=held_out,
    )
