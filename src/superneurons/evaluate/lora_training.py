"""Fine-tune LoRA adapters on a probing set, and keep the step that does best on a part held out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superneurons.activations.ahead import ahead
from superneurons.activations.capture import Progress, room_for
from superneurons.errors import DataError, ModelError, Problem
from superneurons.evaluate.logit_answers import logit_answers
from superneurons.evaluate.lora_adapters import adapter_weights, learning, seeded, with_adapters
from superneurons.evaluate.metrics import mean_recall
from superneurons.evaluate.rivals import BaseTask
from superneurons.evaluate.scoring import as_classes
from superneurons.task.record import Record
from superneurons.task.split import grouped_split
from superneurons.vlm.answer import LabelWords
from superneurons.vlm.family import part
from superneurons.vlm.head import Head
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.prompt import Prompt

__all__ = ["Look", "LoraSettings", "Tuned", "train_lora"]

_WARM_UP = 0.1
_LONGEST_STEP = 1.0


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """How adapters are trained.

    Parameters
    ----------
    rank, alpha, dropout
        Of the adapters (:func:`~superneurons.evaluate.lora_adapters.with_adapters`).
    rates
        Learning rates; each is tried from the start, and all their time counts.
    epochs
        Passes over the training part.
    steps
        Steps instead of passes.
    batch_size
        Records per step.
    held_out
        Share of the probing records that choose step and rate, and calibrate.
    looks
        How often these are asked on the way, besides once before the first step.

    Raises
    ------
    DataError
        When a value is out of range; lists all.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    rates: tuple[float, ...] = (3e-4,)
    epochs: int = 10
    steps: int | None = None
    batch_size: int = 8
    held_out: float = 0.2
    looks: int = 10

    def __post_init__(self) -> None:
        least = {"rank": 1, "epochs": 1, "batch_size": 1, "looks": 1, "steps": 1}
        problems = [
            Problem(name, f"is {value}, less than {low}")
            for name, low in least.items()
            if (value := getattr(self, name)) is not None and value < low
        ]
        if not self.rates or not all(0 < rate < 1 for rate in self.rates):
            problems.append(Problem("rates", f"are {list(self.rates)}, not all between 0 and 1"))
        if not 0 < self.alpha < math.inf:
            problems.append(Problem("alpha", f"is {self.alpha}, no finite number above 0"))
        if not 0 <= self.dropout < 1:
            problems.append(Problem("dropout", f"is {self.dropout}, not from 0 to below 1"))
        if not 0 < self.held_out < 1:
            problems.append(Problem("held_out", f"is {self.held_out}, not between 0 and 1"))
        if problems:
            raise DataError(
                "LoRA cannot be trained like this.", problems=problems, mend="Mend these values."
            )


@dataclass(frozen=True, slots=True)
class Look:
    """How adapters did on the records held out, at one step.

    Parameters
    ----------
    rate, step
        Learning rate, and the steps behind them.
    balanced_accuracy, loss
        Mean recall of the labels, and mean cross-entropy in nats.
    """

    rate: float
    step: int
    balanced_accuracy: float
    loss: float

    @property
    def rank(self) -> tuple[float, float]:
        """The larger the better: accuracy first, then certainty."""
        return round(self.balanced_accuracy, 12), -self.loss


@dataclass(frozen=True)
class Tuned:
    """A model with trained adapters.

    Parameters
    ----------
    vlm
        The twin that has them.
    chosen
        Where it was when it did best on the records held out; step 0 is the model as it was.
    looks
        All that was seen on the way.
    held
        The records held out.
    n_trained
        Records that it was trained on.
    weights
        Number of weights that were trained.
    """

    vlm: VLM
    chosen: Look
    looks: tuple[Look, ...]
    held: tuple[Record, ...] = field(repr=False)
    n_trained: int
    weights: int


def train_lora(
    vlm: VLM,
    base: BaseTask,
    records: Sequence[Record],
    settings: LoraSettings | None = None,
    *,
    prompt: Prompt | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Train adapters to answer with the right label's words as the next token.

    The loss is the cross-entropy between the labels that a record allows, over the same logits
    that it is scored by. Where the model has 16-bit weights, products are in that dtype and the
    adapters in float32; float32 models on a GPU are trained with bfloat16 products.

    Parameters
    ----------
    vlm, base
        The whole model, which stays as it was, and how it is asked.
    records
        N labelled records: with the part held out, all that the training sees.
    settings, prompt, seed, progress
        How it is trained and asked, what is drawn, what is told (steps done, steps in all).

    Raises
    ------
    DataError
        When the records can't be parted so that each label is on both sides.
    MissingExtraError
        When ``peft`` is not installed.
    ModelError
        When the first token can't tell the labels apart, or there is no attention to adapt.
    ResourceError
        When a batch doesn't fit into memory.
    """
    settings = settings or LoraSettings()
    if base.words is None:
        raise ModelError("The label words can't be told apart.", mend=base.why_not)
    vlm.require_whole("logits")
    fit, held = grouped_split(records, test_size=settings.held_out, seed=seed)
    trained, kept_out = [records[i] for i in fit], [records[i] for i in held]
    run = _Run(base, base.words, trained, kept_out, settings, prompt, seed, progress)
    return run.best(vlm)


@dataclass(frozen=True)
class _Run:
    base: BaseTask
    words: LabelWords
    trained: Sequence[Record]
    held: Sequence[Record]
    settings: LoraSettings
    prompt: Prompt | None
    seed: int
    progress: Progress | None

    @property
    def steps(self) -> int:
        """Of one learning rate."""
        each = -(-len(self.trained) // self.settings.batch_size)
        return self.settings.steps or each * self.settings.epochs

    def best(self, vlm: VLM) -> Tuned:
        """Train at every rate, and return the model at the best look of all."""
        looks: list[Look] = []
        best: tuple[Look, VLM, dict[str, torch.Tensor]] | None = None
        for number, rate in enumerate(self.settings.rates):
            adapted = self._adapted(vlm)
            for look in self._looks(adapted, rate, number):
                looks.append(look)
                if best is None or look.rank > best[0].rank:
                    weights = adapter_weights(adapted).items()
                    best = look, adapted, {name: w.detach().clone() for name, w in weights}
        chosen, adapted, state = cast(Any, best)
        for name, weight in adapter_weights(adapted).items():
            weight.data.copy_(state[name])
            weight.grad = None
        n = sum(weight.numel() for weight in state.values())
        return Tuned(adapted, chosen, tuple(looks), tuple(self.held), len(self.trained), n)

    def _adapted(self, vlm: VLM) -> VLM:
        own = self.settings
        return with_adapters(
            vlm, rank=own.rank, alpha=own.alpha, dropout=own.dropout, seed=self.seed
        )

    def _looks(self, vlm: VLM, rate: float, number: int) -> Iterator[Look]:
        """Train, and look at the records held out every now and then."""
        looked = {round(n * self.steps / self.settings.looks) for n in range(self.settings.looks)}
        yield self._look(vlm, rate, 0)
        for step in self._trained(vlm, rate):
            if self.progress is not None:
                self.progress(number * self.steps + step, len(self.settings.rates) * self.steps)
            if step == self.steps or step in looked:
                yield self._look(vlm, rate, step)

    def _trained(self, vlm: VLM, rate: float) -> Iterator[int]:
        """Train one step at a time, and tell how many there were."""
        cuda = vlm.device.type == "cuda"
        half = vlm.dtype if vlm.dtype != torch.float32 else torch.bfloat16
        scaler = torch.amp.GradScaler(vlm.device.type, enabled=cuda and half == torch.float16)
        optimiser = torch.optim.AdamW(adapter_weights(vlm).values(), lr=rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._share)
        with closing(ahead(self._batches(), lambda batch: (batch, self._encoded(vlm, batch)))) as b:
            for step, (batch, inputs) in enumerate(b, start=1):
                # The generator may rest anywhere between two steps: what they change is put back.
                with (
                    room_for(batch),
                    learning(vlm) as weights,
                    seeded(vlm.device, self.seed + step),
                ):
                    with torch.autocast(vlm.device.type, half, enabled=cuda):
                        logits = self._logits(vlm, inputs)
                    scale = scaler.get_scale()
                    optimiser.zero_grad()
                    loss = self._loss(logits.float(), batch)
                    cast(Any, scaler.scale(loss)).backward()
                    scaler.unscale_(optimiser)
                    nn.utils.clip_grad_norm_(weights, _LONGEST_STEP)
                    scaler.step(optimiser)
                    scaler.update()
                # Gradients that overflow float16 are left out, and the rate then stays, too.
                if scaler.get_scale() >= scale:
                    schedule.step()
                yield step

    def _share(self, step: int) -> float:
        """Of the learning rate: it rises for a tenth of the steps, then falls to nothing."""
        warm = max(1, round(_WARM_UP * self.steps))
        falling = (self.steps - step) / max(1, self.steps - warm)
        return max(0.0, min((step + 1) / warm, falling))

    def _batches(self) -> Iterator[list[Record]]:
        """Records in an order drawn anew for each pass."""
        rng, size, given = np.random.default_rng(self.seed), self.settings.batch_size, 0
        while given < self.steps:
            order = rng.permutation(len(self.trained))
            for start in range(0, len(order), size):
                if given == self.steps:
                    return
                given += 1
                yield [self.trained[i] for i in order[start : start + size]]

    def _encoded(self, vlm: VLM, batch: Sequence[Record]) -> Inputs:
        with room_for(batch):
            return vlm.encode(self.base.asked(batch), self.prompt)

    def _logits(self, vlm: VLM, inputs: Inputs) -> torch.Tensor:
        """Logits over the label words (B, C), with what a backward pass needs."""
        trunk = cast(Any, part(vlm.model, vlm.family.trunk, family=vlm.family.name))
        hidden = trunk(**inputs.tensors, use_cache=False).last_hidden_state
        rows, last = torch.arange(len(inputs), device=vlm.device), inputs.last.to(vlm.device)
        return self.words.pool(Head(vlm.model, vlm.family)(hidden[rows, last]))

    def _loss(self, logits: torch.Tensor, batch: Sequence[Record]) -> torch.Tensor:
        allowed = torch.from_numpy(self._allowed(batch)).to(logits.device)
        right = torch.from_numpy(self._right(batch)).to(logits.device)
        return nn.functional.cross_entropy(logits.masked_fill(~allowed, -torch.inf), right)

    def _allowed(self, records: Sequence[Record]) -> NDArray[np.bool_]:
        asked, labels = self.base.asked(records), self.words.labels
        return np.array([[label in (r.options or labels) for label in labels] for r in asked])

    def _right(self, records: Sequence[Record]) -> NDArray[np.int64]:
        asked = self.base.asked(records)
        return np.array([self.words.labels.index(str(record.label)) for record in asked])

    def _look(self, vlm: VLM, rate: float, step: int) -> Look:
        size = self.settings.batch_size
        logits = self.base.logits(vlm, self.held, prompt=self.prompt, batch_size=size)
        held = (self.held, logits)
        answers = logit_answers(self.base, held, held, calibrated=False)
        labels = () if self.base.by_letter else self.words.labels
        recall = mean_recall(*as_classes(self.held, answers.labels, labels)[:2])
        loss = self._loss(torch.from_numpy(logits), self.held)
        return Look(rate, step, recall, float(loss))
