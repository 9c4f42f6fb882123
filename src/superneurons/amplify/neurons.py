"""The neurons of a task: MLP neurons that fire more for its prompts than for others.

The publication that proposes this states no formula; the scores here are a reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superneurons.activations.site import Site
from superneurons.amplify.amplification import Amplification, Where
from superneurons.amplify.language import LanguageModel, language_model
from superneurons.errors import DataError, Problem
from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = [
    "Scoring",
    "TaskNeurons",
    "all_differences",
    "differences",
    "find_neurons",
    "from_classifier",
    "mlp_activations",
    "strongest",
]

Scoring: TypeAlias = Literal["difference", "standardised", "magnitude"]
"""``difference``: mean activation over the task's prompts less that over the control prompts.
``standardised``: that, in pooled standard deviations. ``magnitude``: the difference of mean
magnitudes, since the sign of a gated neuron is a convention of its weights."""


@dataclass(frozen=True)
class TaskNeurons:
    """Neurons of one layer that a task rests on.

    Parameters
    ----------
    layer
        Number of the layer, from 1.
    columns
        K of its MLP neurons, strongest first, int64.
    scores
        How strong each is, shape (K,), float64.
    task
        What it is called.
    model
        Fingerprint of the model they are of.
    found
        How: ``difference`` and the like, ``classifier``, or whatever a control is called.

    Raises
    ------
    DataError
        When there are no neurons, or not one score for each.
    """

    layer: int
    columns: NDArray[np.int64]
    scores: NDArray[np.float64]
    task: str
    model: str
    found: str

    def __post_init__(self) -> None:
        if len(self.columns) == 0 or np.shape(self.columns) != np.shape(self.scores):
            raise DataError(
                f"{np.size(self.columns)} neurons have {np.size(self.scores)} scores.",
                where=f"task {self.task!r}, layer {self.layer}",
                mend="Give at least one neuron, and one score for each.",
            )

    def __len__(self) -> int:
        return len(self.columns)

    def amplification(
        self, multiplier: float, count: int | None = None, position: Where = "last"
    ) -> Amplification:
        """Return the amplification of the ``count`` strongest; of all by default.

        Raises
        ------
        DataError
            When there aren't as many, or the multiplier is no finite number.
        """
        count = len(self) if count is None else count
        if not 1 <= count <= len(self):
            raise DataError(
                f"{count} neurons of {len(self)} cannot be amplified.",
                where=f"task {self.task!r}, layer {self.layer}",
                mend="Find more neurons, or amplify fewer; one at least.",
            )
        return Amplification(self.layer, self.columns[:count], multiplier, position, self.model)


@torch.inference_mode()
def mlp_activations(
    model: LanguageModel, prompts: Sequence[str], *, batch_size: int = 16
) -> NDArray[np.float32]:
    """Read the MLP neurons of every layer at the last token of prompts.

    Parameters
    ----------
    model
        The whole model.
    prompts
        N of them.
    batch_size
        Prompts per forward pass.

    Returns
    -------
    ndarray of shape (N, L, W), float32

    Raises
    ------
    DataError
        When prompts are empty, or an activation is no finite number.
    ModelError
        When layers have no MLP neurons of their own.
    """
    parts = []
    for start in range(0, len(prompts), batch_size):
        found: list[torch.Tensor] = []
        ids, mask = model.encode(prompts[start : start + batch_size])
        with ExitStack() as hooks:
            for layer in range(1, model.n_layers + 1):
                handle = model.mlp(layer).register_forward_pre_hook(_kept_in(found))
                hooks.callback(handle.remove)
            model.run(ids, mask)
        parts.append(torch.stack(found, dim=1).cpu().numpy())
    if not parts:
        raise DataError("There are no prompts.", mend="Give at least one.")
    return np.concatenate(parts)


def _kept_in(found: list[torch.Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def keep(_module: nn.Module, args: tuple[Any, ...]) -> None:
        found.append(args[0][:, -1].float())

    return keep


def differences(
    task: NDArray[Any], control: NDArray[Any], scoring: Scoring = "difference"
) -> NDArray[np.float64]:
    """Score neurons by how much more they fire for a task.

    Parameters
    ----------
    task, control
        Activations of N and M prompts, shape (N, …) and (M, …).
    scoring
        How (:data:`Scoring`).

    Returns
    -------
    ndarray of shape (…), float64

    Raises
    ------
    DataError
        When there are no control prompts or no prompts of the task, an activation is no finite
        number, or the scoring is unknown; lists every problem.

    Examples
    --------
    >>> differences(np.array([[3.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 2.0]])).tolist()
    [2.0, -1.0]
    """
    given = {"task prompts": np.asarray(task), "control prompts": np.asarray(control)}
    problems = [Problem(name, "none") for name, values in given.items() if len(values) == 0]
    problems += [
        Problem(name, "some activations are no finite numbers")
        for name, values in given.items()
        if not np.isfinite(values).all()
    ]
    if scoring not in get_args(Scoring):
        problems.append(Problem("scoring", f"{scoring!r}"))
    if problems:
        raise DataError(
            "Neurons cannot be scored.",
            problems=problems,
            mend="Give prompts of the task and others to compare with (control prompts), run the "
            f"model in float32 or bfloat16, and score by one of {', '.join(get_args(Scoring))}.",
        )
    a, b = (values.astype(np.float64) for values in given.values())
    if scoring == "magnitude":
        a, b = np.abs(a), np.abs(b)
    difference = np.asarray(a.mean(axis=0) - b.mean(axis=0))
    if scoring != "standardised":
        return difference
    spread = np.sqrt((len(a) * a.var(axis=0) + len(b) * b.var(axis=0)) / (len(a) + len(b)))
    return np.asarray(np.where(spread > 0, difference / np.where(spread > 0, spread, 1), 0.0))


def all_differences(
    model: LanguageModel,
    task_prompts: Sequence[str],
    control_prompts: Sequence[str],
    *,
    scoring: Scoring = "difference",
    batch_size: int = 16,
) -> NDArray[np.float64]:
    """Score the neurons of all layers, shape (L, W), running each prompt once.

    Parameters
    ----------
    model
        The whole model.
    task_prompts, control_prompts
        At least one of each.
    scoring
        How (:data:`Scoring`).
    batch_size
        Prompts per forward pass.

    Raises
    ------
    DataError
        When there are no control prompts or no prompts of the task, or some are empty.
    """
    _require_prompts(task_prompts, control_prompts)
    task, control = (
        mlp_activations(model, prompts, batch_size=batch_size)
        for prompts in (task_prompts, control_prompts)
    )
    return differences(task, control, scoring)


def strongest(
    scores: NDArray[np.float64], layer: int, count: int, *, task: str, model: str, found: str
) -> TaskNeurons:
    """Take the neurons of a layer with the largest scores; of equals the first.

    Parameters
    ----------
    scores
        Of all layers, shape (L, W).
    layer, count
        Number of the layer from 1, and how many of its neurons.
    task, model, found
        As in :class:`TaskNeurons`.

    Raises
    ------
    DataError
        When there is no such layer, or it has fewer neurons.
    """
    layers, width = scores.shape
    if not (1 <= layer <= layers and 1 <= count <= width):
        raise DataError(
            f"There are no {count} neurons in layer {layer}.",
            where=f"layer {layer}",
            mend=f"Choose a layer from 1 to {layers}, and 1 to {width} neurons.",
        )
    own = scores[layer - 1]
    columns = np.argsort(-own, kind="stable")[:count]
    return TaskNeurons(layer, columns.astype(np.int64), own[columns], task, model, found)


def find_neurons(
    model: LanguageModel,
    task_prompts: Sequence[str],
    control_prompts: Sequence[str],
    layer: int,
    *,
    count: int = 50,
    task: str = "task",
    scoring: Scoring = "difference",
    batch_size: int = 16,
) -> TaskNeurons:
    """Find the neurons of a layer that fire most for a task, beside control prompts.

    Parameters
    ----------
    model
        The whole model.
    task_prompts, control_prompts
        At least one of each.
    layer
        Number of the layer, from 1.
    count
        How many.
    task
        What it is called.
    scoring, batch_size
        As for :func:`all_differences`.

    Raises
    ------
    DataError
        When there are no control prompts or no prompts of the task, some are empty, or there is no
        such layer or it has fewer neurons.

    Examples
    --------
    >>> sums, others = ["2 + 2 =", "3 + 5 ="], ["Once upon a", "The capital of"]
    >>> find_neurons(model, sums, others, layer=9, count=3).columns  # doctest: +SKIP
    array([ 517, 1204,   88])
    """
    model.mlp(layer)
    scores = all_differences(
        model, task_prompts, control_prompts, scoring=scoring, batch_size=batch_size
    )
    return strongest(
        scores, layer, count, task=task, model=model.fingerprint, found=scoring
    )  # fmt: skip


def from_classifier(classifier: SuperNeuronClassifier) -> list[TaskNeurons]:
    """Take the Super Neurons of a fitted classifier as the neurons to amplify.

    Parameters
    ----------
    classifier
        Fitted at the site ``mlp``: its neurons are inputs of the down projection. Its model has to
        be open as a whole.

    Returns
    -------
    list of TaskNeurons
        One for each layer it reads, in the layers' order. Scores are the sizes of the read-out's
        weights per unit of activation, or 1 where it has none.

    Raises
    ------
    DataError
        When it reads another site.
    ModelError
        When its model was opened in part.
    NotFittedError
        Before ``fit``.
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(classifier, "read_out_")
    if classifier.site_ != Site("mlp"):
        raise DataError(
            f"This classifier reads {classifier.site_}, not MLP neurons.",
            where="site",
            mend="Fit one at the site mlp (--site mlp): only MLP neurons are amplified.",
        )
    classifier.vlm.require_whole("text to amplify")
    model = language_model(classifier.vlm).fingerprint
    weights = getattr(classifier.read_out_, "coef_", np.ones((len(classifier.neurons_), 1)))
    sizes = np.linalg.norm(weights, axis=1)
    layers = np.array([neuron.layer for neuron in classifier.neurons_])
    columns = np.array([neuron.index for neuron in classifier.neurons_])
    made = []
    for layer in np.unique(layers).tolist():
        own = np.flatnonzero(layers == layer)
        own = own[np.argsort(-sizes[own], kind="stable")]
        task = classifier.question_ or "classifier"
        made.append(TaskNeurons(layer, columns[own], sizes[own], task, model, "classifier"))
    return made


def _require_prompts(task: Sequence[str], control: Sequence[str]) -> None:
    missing = [
        Problem(name, "none")
        for name, given in (("task prompts", task), ("control prompts", control))
        if not given
    ]
    if missing:
        raise DataError(
            "Neurons of a task are found by comparing its prompts with others.",
            problems=missing,
            mend="Give prompts of the task, and control prompts of other tasks.",
        )
