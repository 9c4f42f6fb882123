"""Many fitted questions about the same pictures, answered in one pass."""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from superneurons.activations.capture import room_for, to_float16
from superneurons.activations.site import Site
from superneurons.errors import DataError, Problem
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import Form
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record
from superneurons.vlm.acceleration import Acceleration, check_acceleration
from superneurons.vlm.graphs import AccelerationWarning, Graphs
from superneurons.vlm.lean.forest import Branch, Forest
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.lean.passing import Lean
from superneurons.vlm.model import VLM, Inputs
from superneurons.vlm.prompt import Prompt

__all__ = ["Together", "why_apart"]

# Pictures of other sizes begin another pass, and on a GPU each keeps graphs of its own.
_MOST_STEMS = 8
# Nine values of ten may differ by so much of their size: half precision rounds in another order.
_MOST_APART, _LEAST = 0.25, 1e-6


@dataclass(frozen=True)
class _Asked:
    """The questions, each once, and where each classifier's neurons are among their results."""

    questions: tuple[str, ...]
    owners: tuple[tuple[str, ...], ...]
    columns: Mapping[str, slice]


class Together:
    """Fitted classifiers over one base model, which look at each picture once.

    Classifiers that ask the same question share the whole pass. Those that ask different ones
    share the vision tower, the projector and all that their prompts begin with, pictures included;
    each question then costs its own few tokens, up to its own exit layer. The answers are those
    that each classifier gives alone, but for rounding: the first record is also read alone, and
    where that differs by more, each answers by itself from then on, with a warning.

    Parameters
    ----------
    classifiers
        By name; all of one open model, each with a question of its own that is the same for all
        pictures, asked after the picture, and read at the last token of the prompt.
    acceleration
        ``"off"`` and ``"lean"``: plain operations; otherwise CUDA graphs where there is a GPU.

    Raises
    ------
    DataError
        When some of them can't be asked together; lists all of those, and why.
    ModelError
        An unknown ``acceleration``.

    Examples
    --------
    >>> both = Together({"dark": dark, "focus": focus})  # doctest: +SKIP
    >>> [answers["focus"].label for answers in both.answers(records)]  # doctest: +SKIP
    ['yes', 'no']
    """

    def __init__(
        self,
        classifiers: Mapping[str, SuperNeuronClassifier],
        *,
        acceleration: Acceleration = "auto",
    ) -> None:
        check_acceleration(acceleration)
        if not classifiers:
            raise DataError("No classifiers to answer with.", mend="Give at least one.")
        self.classifiers = dict(classifiers)
        # Views of one model may be cut off at different depths.
        self.vlm: VLM = max((c.vlm for c in classifiers.values()), key=lambda vlm: vlm.depth)
        lean = lean_of(self.vlm)
        _refuse(self.classifiers, self.vlm, lean)
        assert lean is not None
        self._lean: Lean = lean
        self._graphs_wanted = acceleration not in ("off", "lean") and self.vlm.device.type == "cuda"
        self._asked = _asked(self.classifiers)
        self._made: OrderedDict[int, tuple[Forest, Graphs | None]] = OrderedDict()
        self._suffixes: list[torch.Tensor] | None = None
        self._apart: bool | None = None  # not known before the first answers

    def answers(
        self, records: Sequence[Record], *, batch_size: int = 8
    ) -> Iterator[dict[str, Prediction]]:
        """Answer every question about each record's pictures, in order.

        Parameters
        ----------
        records
            Whose pictures are looked at; questions of their own play no part.
        batch_size
            Records per pass.

        Raises
        ------
        DataError
            When a picture cannot be read.
        ResourceError
            When a batch doesn't fit into memory.
        """
        for start in range(0, len(records), batch_size):
            batch = records[start : start + batch_size]
            alike = len({len(record.images) for record in batch}) == 1
            for part in [batch] if alike else [[record] for record in batch]:
                with room_for(part):
                    found = self._answered(part)
                yield from found

    def _answered(self, records: Sequence[Record]) -> list[dict[str, Prediction]]:
        if self._apart:
            return self._each_alone(records)
        begun = time.perf_counter()
        asked = [record.with_question(self._asked.questions[0], None) for record in records]
        inputs = self.vlm.encode(asked, self._prompt)
        stems = {int(row.nonzero()[-1]) + 1 for row in self._images(inputs).cpu()}
        grids = self._lean.tower.grids(inputs.tensors)
        if len(stems) > 1 or (len(set(grids)) > 1 and len(records) > 1):
            # Pictures of several sizes don't stand at the same places.
            return [answers for record in records for answers in self._answered([record])]
        X = to_float16(self._pass(inputs, stems.pop(), grids, asked[0]))
        if self._apart is None and self._differ(records[0], X[0]):
            return self._each_alone(records)
        found = {
            name: self._of(name, records, X[:, columns])
            for name, columns in self._asked.columns.items()
        }
        spent = (time.perf_counter() - begun) * 1e3 / len(records)
        return [
            {name: replace(answers[i], latency_ms=spent) for name, answers in found.items()}
            for i in range(len(records))
        ]

    def _differ(self, record: Record, found: NDArray[np.float16]) -> bool:
        """Whether the first or the deepest read something else of a record than they do alone.

        If so, every classifier answers by itself from now on.
        """
        deepest = max(self.classifiers, key=lambda name: self.classifiers[name].exit_layer_)
        for name in dict.fromkeys((next(iter(self.classifiers)), deepest)):
            classifier = self.classifiers[name]
            own = record.with_question(classifier.question_ or "", None)
            alone = classifier.early_exit(self.vlm)(self.vlm.encode([own], self._prompt))
            expected = to_float16(alone)[0].astype(np.float32)
            gap = np.abs(found[self._asked.columns[name]].astype(np.float32) - expected)
            scale = np.abs(expected) + np.abs(expected).mean()
            if np.quantile(gap / np.maximum(scale, _LEAST), 0.9) > _MOST_APART:
                self._apart = True
                warnings.warn(
                    f"{name!r} reads something else together with others than alone. Each "
                    "classifier answers by itself instead, which is slower.",
                    AccelerationWarning,
                    stacklevel=5,
                )
                return True
        self._apart = False
        return False

    def _each_alone(self, records: Sequence[Record]) -> list[dict[str, Prediction]]:
        found: list[dict[str, Prediction]] = [{} for _ in records]
        for name, classifier in self.classifiers.items():
            own = [record.with_question(classifier.question_ or "", None) for record in records]
            for place, answer in zip(found, classifier.answer(self.vlm, own), strict=True):
                place[name] = answer
        return found

    def _of(self, name: str, records: Sequence[Record], X: NDArray[np.float16]) -> list[Prediction]:
        classifier = self.classifiers[name]
        own = [record.with_question(classifier.question_ or "", None) for record in records]
        return classifier.answer_values(own, X)

    @property
    def _prompt(self) -> Prompt:
        return next(iter(self.classifiers.values())).prompt

    def _images(self, inputs: Inputs) -> torch.Tensor:
        return inputs.tensors["input_ids"] == self._lean.image_token

    @torch.inference_mode()
    def _pass(
        self, inputs: Inputs, stem: int, grids: tuple[tuple[int, int], ...], like: Record
    ) -> torch.Tensor:
        if stem not in self._made:
            self._made[stem] = self._planted(stem, like)
            if len(self._made) > _MOST_STEMS:
                self._made.popitem(last=False)
        self._made.move_to_end(stem)
        forest, graphs = self._made[stem]
        if graphs is not None and len(set(grids)) == 1:
            found = graphs(inputs.tensors, inputs.pictures, grids)
            if found is not None:
                return found
            self._made[stem] = forest, None
        return forest(inputs.tensors, grids)

    def _planted(self, stem: int, like: Record) -> tuple[Forest, Graphs | None]:
        if self._suffixes is None:
            self._suffixes = [self._suffix(like, q) for q in self._asked.questions]
        # Words that all questions begin with are asked once, as the pictures are.
        shared = _common(self._suffixes)
        branches = []
        for suffix, owners in zip(self._suffixes, self._asked.owners, strict=True):
            neurons = [n for name in owners for n in self.classifiers[name].neurons_]
            layers, columns = ([n.layer for n in neurons], [n.index for n in neurons])
            kind = self.classifiers[owners[0]].site_.kind
            branches.append(
                Branch(suffix[shared:], torch.tensor(layers), torch.tensor(columns), kind)
            )
        forest = Forest(self._lean, stem + shared, branches, self.vlm.device)
        if not self._graphs_wanted:
            return forest, None
        return forest, Graphs(lambda tensors, _, grids: forest(tensors, grids), self.vlm.device)

    def _suffix(self, like: Record, question: str) -> torch.Tensor:
        """What follows the pictures in the prompt of a question."""
        inputs = self.vlm.encode([like.with_question(question, None)], self._prompt)
        last = int(self._images(inputs)[0].cpu().nonzero()[-1])
        return inputs.tensors["input_ids"][0, last + 1 :].cpu()


def _common(texts: Sequence[torch.Tensor]) -> int:
    """How many tokens all texts begin with, so that each keeps one of its own at least."""
    shortest = min(map(len, texts)) - 1
    first = torch.stack([text[:shortest] for text in texts])
    return int((first == first[0]).all(dim=0).long().cumprod(dim=0).sum())


def _asked(classifiers: Mapping[str, SuperNeuronClassifier]) -> _Asked:
    """Put classifiers of the same question and kind of site side by side."""
    owners: dict[tuple[str, str], list[str]] = {}
    for name, classifier in classifiers.items():
        owners.setdefault((str(classifier.question_), classifier.site_.kind), []).append(name)
    columns, start = {}, 0
    for name in (name for names in owners.values() for name in names):
        columns[name] = slice(start, start + len(classifiers[name].neurons_))
        start = columns[name].stop
    questions = tuple(question for question, _ in owners)
    return _Asked(questions, tuple(map(tuple, owners.values())), columns)


def _refuse(classifiers: Mapping[str, SuperNeuronClassifier], vlm: VLM, lean: Lean | None) -> None:
    """Refuse what can't be asked together, all at once."""
    prompt = next(iter(classifiers.values())).prompt
    problems = [
        Problem(name, what)
        for name, classifier in classifiers.items()
        for what in _obstacles(classifier, vlm, prompt)
    ]
    if lean is None:
        problems.append(Problem(vlm.name, "its family has no pass that could be shared"))
    if problems:
        raise DataError(
            "Some classifiers can't be asked together.",
            problems=problems,
            mend="Ask these by themselves; or open the model once, fit or load every classifier on "
            "it, each for one question that is asked after the picture.",
        )


def _obstacles(classifier: SuperNeuronClassifier, vlm: VLM, prompt: Prompt) -> Iterator[str]:
    if not hasattr(classifier, "read_out_"):
        yield "isn't fitted"
        return
    if not _same(classifier.vlm, vlm):
        yield "is on another base model, or at another resolution"
    yield from why_apart(
        classifier.form_, classifier.question_, (classifier.prompt, prompt), classifier.site_
    )


def why_apart(
    form: Form, question: str | None, prompts: tuple[Prompt, Prompt], site: Site
) -> Iterator[str]:
    """Say why a classifier can't be asked together with any other.

    Parameters
    ----------
    form, question, prompts, site
        How it asks, what, in which prompt (its own, and that of the first classifier), and what it
        reads.
    """
    if form != "direct" or question is None:
        yield "asks more than one question"
    prompt, first = prompts
    if not prompt.pictures_first:
        yield "asks before it shows the picture"
    elif prompt != first:
        yield "is asked in another prompt than the first"
    if site.sees_only_pictures or site.position != "last_prompt":
        yield f"reads {site}, not the last token of the prompt"


def _same(one: VLM, other: VLM) -> bool:
    """Whether two views are of one open model, and see pictures alike."""
    weights = [
        next(vlm.model.get_input_embeddings().parameters()).data_ptr()  # type: ignore[operator]
        for vlm in (one, other)
    ]
    return weights[0] == weights[1] and one.resolution == other.resolution
