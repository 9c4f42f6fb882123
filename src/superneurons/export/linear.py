"""Read-outs that are linear in the state of one layer, and why others aren't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import DataError, Problem
from superneurons.probes.base import ReadOut
from superneurons.probes.logistic import LogisticProbe
from superneurons.probes.paper import PaperSuperNeurons
from superneurons.probes.super_neurons import SuperNeurons

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["LinearHead", "check_asked_once", "linear_head"]


@dataclass(frozen=True)
class LinearHead:
    """Scores of C labels that are linear in the residual stream after one layer.

    ``state @ weight.T + intercept``; the largest wins.

    Parameters
    ----------
    weight
        Shape (C, D), float64.
    intercept
        Shape (C,), float64.
    """

    weight: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def scores(self, states: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores of states (N, D), shape (N, C)."""
        return np.asarray(states.astype(np.float64) @ self.weight.T + self.intercept)

    def absorbed(self) -> NDArray[np.float64]:
        """Return the shortest vector (D,) that, added to each state, stands for the intercept.

        ``(state + vector) @ weight.T`` then differs from the scores by the same number for all
        labels, which decides nothing. It exists unless the weights of some labels are the same
        while their intercepts are not.

        Raises
        ------
        DataError
            When there is none.

        Examples
        --------
        >>> head = LinearHead(np.array([[-1.0, 0.0], [1.0, 0.0]]), np.array([-3.0, 3.0]))
        >>> head.absorbed().round(6).tolist()
        [3.0, 0.0]
        """
        centred = self.weight - self.weight.mean(axis=0)
        wanted = self.intercept - self.intercept.mean()
        found = np.linalg.lstsq(centred, wanted, rcond=None)[0]
        if not np.allclose(
            centred @ found, wanted, rtol=1e-6, atol=1e-9 + 1e-6 * abs(wanted).max()
        ):
            raise DataError(
                "No constant stands for the intercepts of this read-out: some labels differ by "
                "nothing else.",
                where="read_out",
                mend="Export a head that is fitted anew (--as linear --data …).",
            )
        return np.asarray(found)


def linear_head(classifier: SuperNeuronClassifier) -> LinearHead:
    """Return a classifier's read-out as a linear head on the state of its exit layer.

    These are linear there, if all their neurons are in that layer's residual stream at the last
    prompt position: ``super-neurons``; ``logistic``; the paper's rule by the mean; and by majority
    where one neuron is all that votes, up to the sign of 0.

    Parameters
    ----------
    classifier
        A fitted one.

    Raises
    ------
    DataError
        When it isn't linear there; says all that stands against it.
    """
    problems = [*_asked_more(classifier), *_not_one_layer(classifier)]
    columns = _columns(classifier.read_out_)
    if columns is None:
        problems.append(Problem("read_out", _why_not(classifier.read_out_)))
    if problems or columns is None:
        raise DataError(
            "This classifier is no linear head on the state of one layer.",
            problems=problems,
            mend="Let the nearest linear one be fitted at the exit layer (--as linear --data "
            "records.jsonl), or export the votes themselves (superneurons export onnx).",
        )
    weight = np.zeros((len(classifier.classes_), classifier.vlm.hidden_size))
    places = [neuron.index for neuron in classifier.neurons_]
    weight[:, places] = columns.weight
    return LinearHead(weight, columns.intercept)


def check_asked_once(classifier: SuperNeuronClassifier) -> None:
    """Refuse a classifier that asks more than one question for an answer, or another each time.

    Raises
    ------
    DataError
        When it does.
    """
    problems = list(_asked_more(classifier))
    if problems:
        raise DataError(
            "Only a classifier that asks one question once for an answer can be exported.",
            problems=problems,
            mend="Fit with --multiclass native, and labels that all records share.",
        )


def _asked_more(classifier: SuperNeuronClassifier) -> Iterator[Problem]:
    if classifier.form_ != "direct":
        yield Problem("form", f"{classifier.form_!r}: the question depends on the options")
    if classifier.resolution is not None:
        yield Problem("resolution", f"pictures are seen at {classifier.resolution} pixels per side")
    if classifier.site_.answers_first:
        yield Problem("position", "the model's own answer is read, which takes a second pass")


def _not_one_layer(classifier: SuperNeuronClassifier) -> Iterator[Problem]:
    site = classifier.site_
    if str(site) != "residual":
        yield Problem("site", f"{site}, not the residual stream at the last prompt position")
        return
    layers = sorted({neuron.layer for neuron in classifier.neurons_})
    if layers != [classifier.exit_layer_]:
        yield Problem("neurons", f"in {len(layers)} layers: {', '.join(map(str, layers))}")


def _columns(read_out: ReadOut) -> LinearHead | None:
    """The head over the neurons alone, shapes (C, K) and (C,)."""
    if isinstance(read_out, SuperNeurons):
        return _of_labels(read_out.coef_, read_out.intercept_)
    if isinstance(read_out, LogisticProbe):
        per_unit = read_out.per_unit_.astype(np.float64)
        coefficients = read_out.coef_ * per_unit[:, None]
        return _of_labels(coefficients, read_out.intercept_ - read_out.mean_ @ coefficients)
    if isinstance(read_out, PaperSuperNeurons) and _adds_up(read_out):
        n = len(read_out.neurons_)
        return _of_labels(np.full((n, 1), 1 / n), np.zeros(1))
    return None


def _adds_up(read_out: PaperSuperNeurons) -> bool:
    return read_out.aggregation == "mean" or len(read_out.neurons_) == 1


def _of_labels(coefficients: NDArray[np.float64], intercept: NDArray[np.float64]) -> LinearHead:
    """From (K, 1) for two labels, log-odds of the second, or (K, C): a row for each label."""
    if coefficients.shape[1] == 1:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2], axis=1)
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    # What all labels gain alike decides nothing, and can be large enough to lose the rest in.
    coefficients = coefficients - coefficients.mean(axis=1, keepdims=True)
    intercept = intercept - intercept.mean()
    return LinearHead(np.asarray(coefficients.T, np.float64), np.asarray(intercept, np.float64))


def _why_not(read_out: ReadOut) -> str:
    if isinstance(read_out, PaperSuperNeurons):
        return f"{len(read_out.neurons_)} neurons vote, and votes are counted, not added up"
    return f"{read_out.name!r} is not linear in what it reads"
