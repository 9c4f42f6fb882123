"""Which token is read: the last of the prompt, or the answer's first; layer by layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.capture import Captured, Progress, capture, to_float16
from superneurons.activations.site import TOKENS, Position, Site
from superneurons.errors import DataError, ModelError
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.passes import Steps, silent
from superneurons.evaluate.pool import two_parts
from superneurons.evaluate.rivals import BaseTask, base_task, logits_of
from superneurons.evaluate.setting import setting_of
from superneurons.probes.scores import neuron_scores
from superneurons.probes.super_neurons import SuperNeurons
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.labels import DataWarning
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.prompt import Prompt

__all__ = ["Reading", "Readings", "read_layers", "two_answers"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one layer holds at one token, on the test records.

    Parameters
    ----------
    position
        Which token.
    layer
        Decoder layers that have run; 0 is the token's embedding.
    neuron
        Index of the best single neuron under the sign rule on the probing set.
    neuron_accuracy, neuron_agreement
        Its balanced accuracy, and how often it says what the model's own first token says.
    accuracy, agreement
        The same of the improved read-out on this layer alone.
    """

    position: Position
    layer: int
    neuron: int
    neuron_accuracy: float
    neuron_agreement: float
    accuracy: float
    agreement: float


@dataclass(frozen=True)
class Readings:
    """All layers at both tokens.

    Parameters
    ----------
    rows
        One for each position and layer.
    base_accuracy
        Balanced accuracy of the model's own first token.
    setting
        What was measured on what.
    """

    rows: tuple[Reading, ...]
    base_accuracy: float
    setting: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "setting": self.setting,
            "base_accuracy": self.base_accuracy,
            "rows": [asdict(row) for row in self.rows],
        }


def read_layers(
    vlm: VLM,
    probe: Sequence[Record],
    test: Sequence[Record],
    *,
    prompt: Prompt | None = None,
    batch_size: int = 8,
    seed: int = 0,
    steps: Steps = silent,
    witness: Callable[[ProbingSet, Captured, BaseTask], object] | None = None,
) -> Readings:
    """Read every layer at the last prompt token and at the first generated one.

    At the generated token a neuron can simply re-read the model's answer: it then agrees with the
    model always, and is right exactly as often. The embedding, before any layer, is the proof:
    whatever is read there is the answer itself.

    Parameters
    ----------
    vlm
        The whole model.
    probe, test
        Labelled records of two labels to fit on, and others to score on.
    prompt
        How they are asked.
    batch_size, seed, steps, witness
        Records per forward pass (each record takes two), seed of what is drawn, what shows
        progress, and what is shown the probing set, all that was captured (of it, then of the test
        records), and how the base model was asked, while it is there.

    Raises
    ------
    DataError
        When pictures or labels cannot be used, or there are more than two labels.
    ModelError
        When the model's first token can't tell the labels apart.

    Notes
    -----
    arXiv 2603.10781 reads "the first generated token" (section 3.1, tables 5 and 6) without saying
    which of the two passes that is.
    """
    two_parts(probe, test)
    probing, base = _asked(vlm, probe, seed)
    sites = [Site(position=position) for position in TOKENS]
    with steps("running the model") as told:
        both = capture(
            vlm, [*probing.records, *test], sites=sites, prompt=prompt, batch_size=batch_size,
            words=base.words, progress=told,
        )  # fmt: skip
    n = len(probing.records)
    said = np.array(base.raw(test, logits_of(both)[n:]))
    truth = np.array([str(record.label) for record in test])
    with steps("reading layers") as told:
        rows = _rows(vlm, both, probing, (truth, said), seed, told)
    if witness is not None:
        witness(probing, both, base)
    setting = setting_of(vlm, test, 0, seed, prompt) | {"probing_records": n}
    return Readings(rows, mean_recall(truth, said), setting)


def _rows(
    vlm: VLM,
    both: Captured,
    probing: ProbingSet,
    answers: tuple[NDArray[np.str_], NDArray[np.str_]],
    seed: int,
    told: Progress,
) -> tuple[Reading, ...]:
    """Fit and score every layer; ``answers``: the right ones of the test records, and the said."""
    sites, n, rows = list(both.states), len(probing.records), []
    for done, site in enumerate(sites, start=1):
        for layer, states in _states(vlm, both, site).items():
            fitted = _Layer(states[:n], probing.y, probing.groups, seed)
            rows.append(fitted.read(site.position, layer, states[n:], *answers))
        told(done, len(sites))
    return tuple(rows)


def two_answers(probe: Sequence[Record], seed: int = 0) -> ProbingSet:
    """Return the probing set of a question with two answers, before a model is opened.

    Parameters
    ----------
    probe, seed
        Labelled records, and what balancing draws by.

    Raises
    ------
    DataError
        When pictures or labels cannot be used, or there are more than two labels.
    """
    probing = probing_set(probe, balanced=True, seed=seed)
    if probing.form != "direct" or len(probing.labels) != 2:
        raise DataError(
            "Layers are read on questions with two answers.",
            where=", ".join(probing.labels) or "options of each record's own",
            mend="Give a yes/no task; `superneurons compare` takes any.",
        )
    return probing


def _asked(vlm: VLM, probe: Sequence[Record], seed: int) -> tuple[ProbingSet, BaseTask]:
    probing = two_answers(probe, seed)
    base = base_task(vlm, probe, probing.labels)
    if base.words is None:
        raise ModelError("The base model's first token says too little.", mend=base.why_not)
    return probing, base


def _states(vlm: VLM, both: Captured, site: Site) -> dict[int, NDArray[np.float16]]:
    """Residual stream (N, D) by layer; of a generated token its embedding too, as layer 0.

    The last token of the prompt is the same for every record, and so is its embedding.
    """
    found: dict[int, NDArray[np.float16]] = {}
    if site.position == "first_generated" and both.first_tokens is not None:
        table = cast(Any, vlm.model).get_input_embeddings()
        with torch.inference_mode():
            found[0] = to_float16(table(torch.from_numpy(both.first_tokens).to(vlm.device)))
    layers = both.at(site).activations
    return found | {layer + 1: layers[:, layer] for layer in range(layers.shape[1])}


class _Layer:
    """One layer at one token, fitted."""

    def __init__(
        self, X: NDArray[np.float16], y: NDArray[np.str_], groups: NDArray[np.int64], seed: int
    ) -> None:
        self.labels = np.unique(y)
        self.neuron = int(np.argmax(neuron_scores(X, y == self.labels[1])))
        with warnings.catch_warnings():
            # Records that got the same answer have the same embedding there, whatever their label.
            warnings.simplefilter("ignore", DataWarning)
            self.read_out = SuperNeurons(random_state=seed).fit(X, y, groups)

    def read(
        self,
        position: Position,
        layer: int,
        X: NDArray[np.float16],
        truth: NDArray[np.str_],
        said: NDArray[np.str_],
    ) -> Reading:
        single = self.labels[(X[:, self.neuron] > 0).astype(int)]
        many = self.read_out.predict(X)
        return Reading(
            position, layer, self.neuron,
            mean_recall(truth, single), float(np.mean(single == said)),
            mean_recall(truth, many), float(np.mean(many == said)),
        )  # fmt: skip
