"""Ways of answering the same records, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from superneurons.evaluate.answers import Answers
from superneurons.evaluate.metrics import Scores
from superneurons.evaluate.paired import PairedDifference
from superneurons.evaluate.recommendation import Recommendation
from superneurons.shortcut.timing import Timing
from superneurons.task.record import Record

__all__ = ["FIRST_TOKEN", "GENERATE", "Comparison", "Lead", "Row"]

GENERATE = "base model, generate"
FIRST_TOKEN = "base model, first token"


@dataclass(frozen=True, slots=True)
class Lead:
    """How far one way of answering is ahead of another, on the same records.

    Parameters
    ----------
    balanced_accuracy
        Difference of balanced accuracies, its 95 % interval and its p-value, by paired bootstrap.
    mcnemar_p
        p-value of McNemar's exact test of being right equally often; takes records as independent.
    """

    balanced_accuracy: PairedDifference
    mcnemar_p: float


@dataclass(frozen=True, slots=True)
class Row:
    """One way of answering.

    Parameters
    ----------
    name
        What it is.
    scores
        How well it does on the test records; ``None`` where it can't answer.
    exit_layer
        Decoder layers that run; ``None`` where the model doesn't run at all.
    neurons
        Neurons that are read.
    timing
        Milliseconds of one picture at batch size 1.
    note
        Why there are no scores, or what has to be said beside them.
    best_neuron, null_maximum
        Accuracy of the best single neuron of the site under the sign rule, on the probing set that
        chose it, and what the best of as many reaches with shuffled labels (95th percentile).
    lead
        How far the first read-out of the comparison is ahead of this one.
    agreement
        Share of the test records that it answers as the base model's own first token does.
    answers
        To the test records, in their order; not part of :meth:`Comparison.as_dict`.
    """

    name: str
    scores: Scores | None
    exit_layer: int | None = None
    neurons: int | None = None
    timing: Timing | None = None
    note: str = ""
    best_neuron: float | None = None
    null_maximum: float | None = None
    lead: Lead | None = None
    agreement: float | None = None
    answers: Answers | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Comparison:
    """Several ways of answering, scored on the same records and timed in the same run.

    Parameters
    ----------
    rows
        One per way of answering.
    setting
        What was measured on what: model, device, dtype, numbers of records, tokens.
    null
        What chance alone would give, by name.
    recommendation
        What to do, where it was asked for.
    test
        The test records, in the order of the rows' answers; not part of :meth:`as_dict`.
    """

    rows: tuple[Row, ...]
    setting: dict[str, Any]
    null: dict[str, float]
    recommendation: Recommendation | None = None
    test: Sequence[Record] = field(default=(), repr=False, compare=False)

    def speed_up(self, row: Row, over: str) -> float | None:
        """How many times faster a row is than another; ``None`` where either has no time."""
        base = next((other.timing for other in self.rows if other.name == over), None)
        if row.timing is None or base is None:
            return None
        return base.median / row.timing.median

    def _repr_html_(self) -> str:
        from superneurons.evaluate.shown import comparison_html

        return comparison_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "setting": self.setting,
            "null": self.null,
            "rows": [
                {
                    "name": row.name,
                    "exit_layer": row.exit_layer,
                    "neurons": row.neurons,
                    "scores": None if row.scores is None else row.scores.as_dict(),
                    "ms": None if row.timing is None else asdict(row.timing),
                    "speed_up_over_generate": self.speed_up(row, GENERATE),
                    "speed_up_over_prefill": self.speed_up(row, FIRST_TOKEN),
                    "best_neuron": row.best_neuron,
                    "null_maximum": row.null_maximum,
                    "lead": None if row.lead is None else asdict(row.lead),
                    "agreement": row.agreement,
                    "note": row.note,
                }
                for row in self.rows
            ],
            "recommendation": None if self.recommendation is None else asdict(self.recommendation),
        }
