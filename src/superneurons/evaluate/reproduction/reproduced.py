"""What a reproduction found, with everything it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from superneurons.activations.site import Position
from superneurons.evaluate.reproduction.figures import Figures, Whole
from superneurons.evaluate.reproduction.printed import Printed, Scored
from superneurons.evaluate.reproduction.settings import Settings

__all__ = ["Measured", "Null", "Reproduction", "Way"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of answering, scored.

    Parameters
    ----------
    key, name
        What it is, for programs and for people.
    scored_on
        Which questions: those of the probing set, which chose it, or the test set's.
    figures
        Of binary questions; ``None`` where it can't answer.
    whole
        Of whole questions, each answered by the option with the strongest "yes"; the paper has no
        such figures.
    last_layer
        The deepest layer with a neuron, L*.
    exit_layer
        Decoder layers that have to run; ``None`` where the model doesn't run.
    neurons
        K.
    threshold, margin
        SNt, and how far below the best neuron it lies, as shares.
    note
        Why there are no figures, or what has to be said beside them.
    printed
        The paper's row.
    """

    key: str
    name: str
    scored_on: Scored
    figures: Figures | None
    whole: Whole | None = None
    last_layer: int | None = None
    exit_layer: int | None = None
    neurons: int | None = None
    threshold: float | None = None
    margin: float | None = None
    note: str = ""
    printed: Printed | None = None


@dataclass(frozen=True, slots=True)
class Null:
    """What chance gives the best of all neurons, on the probing set.

    Parameters
    ----------
    position
        Where they are read.
    neurons, questions
        How many.
    best
        Accuracy of the best neuron.
    shuffled
        95th percentile of the same with shuffled labels.
    coins
        Median of the same, were neurons independent coins: an upper guide.
    """

    position: Position
    neurons: int
    questions: int
    best: float
    shuffled: float
    coins: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What figures were measured on.

    Parameters
    ----------
    versions
        Of Python and the packages that compute.
    name, revision, family, layers, hidden_size, dtype, fingerprint, processor
        The model, a digest of its weights, and how its pictures are prepared.
    device, machine, threads
        Where it ran.
    prompt, prompt_sha256
        How it was asked.
    label_words
        Spellings whose first tokens stand for the answers; ``None`` where they can't.
    classes, unrolled
        The two answers, the second the positive one; whether each option was asked for by itself.
    probing_questions, test_records, test_questions
        How many.
    probing_sha256, test_sha256
        Digests of questions, labels and pictures.
    """

    versions: Mapping[str, str]
    name: str
    revision: str | None
    family: str
    layers: int
    hidden_size: int
    dtype: str
    fingerprint: str
    processor: Mapping[str, Any]
    device: str
    machine: str
    threads: int
    prompt: str
    prompt_sha256: str
    label_words: Mapping[str, Any] | None
    classes: tuple[str, ...]
    unrolled: bool
    probing_questions: int
    test_records: int
    test_questions: int
    probing_sha256: str
    test_sha256: str


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A task with a model, run as the paper does.

    Parameters
    ----------
    settings
        What was asked for, with everything decided that was left open.
    measured
        On what.
    paper
        Whose rows stand beside ours; "" for none.
    nulls
        For each position.
    ways
        One for each way of answering and set of questions.
    """

    settings: Settings
    measured: Measured
    paper: str
    nulls: tuple[Null, ...]
    ways: tuple[Way, ...]

    def way(self, key: str, scored_on: Scored = "validation") -> Way:
        """Return the way of this key.

        Raises
        ------
        KeyError
            When there is none.
        """
        for way in self.ways:
            if (way.key, way.scored_on) == (key, scored_on):
                return way
        raise KeyError(key)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)
