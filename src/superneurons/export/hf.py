"""A classifier as a checkpoint cut off at its exit layer, with a linear head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from superneurons.activations.capture import Progress
from superneurons.activations.store import write_atomically
from superneurons.errors import DataError
from superneurons.export.checkpoint import (
    add_constant,
    copy_processor,
    cut_config,
    cut_tensors,
    has_room_for_constant,
    source_of,
)
from superneurons.export.final_norm import FinalNorm, final_norm
from superneurons.export.folder import check_free, new_directory
from superneurons.export.hf_card import hf_card
from superneurons.export.hf_check import SCORE, head_class, reloaded_answers
from superneurons.export.linear import LinearHead, check_asked_once, linear_head
from superneurons.export.provenance import licence_of, provenance, write_json
from superneurons.export.refit import exit_states, refit
from superneurons.task.record import Record

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["As", "export_hf"]

As: TypeAlias = Literal["exact", "linear"]
"""``exact``: the read-out itself, refused where no linear head decides as it does. ``linear``: the
nearest linear head, fitted anew on records."""

_SHARD = "5GB"


@dataclass
class _Parts:
    """A cut checkpoint, before it is written, and what its head is made from."""

    config: Any
    tensors: dict[str, torch.Tensor]
    classifier: SuperNeuronClassifier
    norm: FinalNorm
    records: Sequence[Record] | None
    states: NDArray[np.float32] | None
    head: LinearHead = field(init=False)
    told: dict[str, Any] = field(init=False)

    def exact(self) -> tuple[LinearHead, dict[str, Any]]:
        """The classifier's own read-out, and how it was made to fit."""
        depth = self.classifier.exit_layer_
        try:
            head = linear_head(self.classifier)
            room = has_room_for_constant(self.config, self.tensors, depth)
            constant = _constant(head, self.norm, room)
        except DataError as refused:
            raise self._with_offer(refused) from refused
        if constant is not None:
            add_constant(self.config, self.tensors, depth, constant)
        return _scaled(head, self.states, constant), {"constant": constant is not None}

    def refitted(self) -> tuple[LinearHead, dict[str, Any]]:
        """The nearest linear one, and how near it is."""
        if not self.records or self.states is None:
            raise DataError(
                "A head can only be fitted anew on records.",
                where="--as linear",
                mend="Give records (--data): those that it was fitted on, or others without "
                "labels.",
            )
        seed = self.classifier.random_state
        found = refit(self.classifier, self.records, self.states, self.norm, seed=seed)
        return found.head, {"refitted": found.told}

    def _with_offer(self, refused: DataError) -> DataError:
        """The refusal, with how near the nearest linear head would be, where that can be told."""
        if not self.records:
            return refused
        told = self.refitted()[1]["refitted"]
        return DataError(
            refused.what,
            problems=refused.problems,
            where=refused.where,
            mend=f"{refused.mend} On {told['held_out']} of these records, held out from the "
            f"fit, the nearest linear head agrees with the classifier on {told['agreement']:.1%}.",
        )


def export_hf(
    classifier: SuperNeuronClassifier,
    directory: str | Path,
    *,
    as_: As = "exact",
    records: Sequence[Record] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a classifier as a checkpoint that transformers and vLLM load without this package.

    It holds the first layers of the base model, by the names that its own checkpoint gives them, a
    final norm that scales nothing, and ``score.weight``. What a read-out adds to all scores of a
    label, its intercept, can't stand in such a head, since the norm would scale it by another
    factor for each record. With ``exact`` it becomes a constant that the last layer adds to the
    residual stream, where the decoder's MLPs may have biases; the largest score is the same then.

    Parameters
    ----------
    classifier
        A fitted one, that asks one question once.
    directory
        Where to write; made whole or not at all.
    as_
        Whether the read-out itself is exported, or one that is fitted anew.
    records
        To compare on, and to set how sure its probabilities are; with ``linear`` to fit on.
    overwrite
        Replace an older export.
    progress
        Told (records done, records in all) while the model runs over the records.

    Returns
    -------
    dict
        What the export says about itself; ``compared`` is ``None`` without records.

    Raises
    ------
    DataError
        When the read-out isn't linear in the exit layer's state; says what to do instead.
    ModelError
        When the cut checkpoint doesn't load as it should.
    OutputError
        When the directory is taken or cannot be written.
    NotFittedError
        Before ``fit``.

    Examples
    --------
    >>> export_hf(classifier, "exported", records=test)["compared"]  # doctest: +SKIP
    {'records': 300, 'agreement': 1.0}
    """
    check_is_fitted(classifier, "read_out_")
    directory = Path(directory).expanduser()
    check_free(directory, overwrite=overwrite)
    check_asked_once(classifier)
    parts = _parts(classifier, as_, records, progress)
    with new_directory(directory, overwrite=overwrite) as partial:
        return _made(partial, classifier, parts, records)


def _made(
    directory: Path,
    classifier: SuperNeuronClassifier,
    parts: _Parts,
    records: Sequence[Record] | None,
) -> dict[str, Any]:
    """Write everything, and say what it is."""
    told = {**provenance(classifier, "hf"), **parts.told}
    told["licence"] = licence_of(classifier.vlm.name)
    _write(directory, classifier, parts)
    told["compared"] = None if not records else _compared(directory, classifier, records)
    write_json(directory, told)
    card = hf_card(told, _asked(classifier))
    write_atomically(directory / "README.md", card.encode())
    return told


def _parts(
    classifier: SuperNeuronClassifier,
    as_: As,
    records: Sequence[Record] | None,
    progress: Progress | None,
) -> _Parts:
    vlm, depth = classifier.vlm, classifier.exit_layer_
    source = source_of(vlm, trust_remote_code=classifier.trust_remote_code)
    norm = final_norm(source.config, vlm.family)
    states = exit_states(classifier, records, progress) if records else None
    config = cut_config(
        source.config, depth, classifier.classes_,
        pad_token_id=vlm.processor.tokenizer.pad_token_id,
    )  # fmt: skip
    name = head_class(config.model_type) or vlm.family.model_class.replace(
        "ForConditionalGeneration", "ForSequenceClassification"
    )
    config.architectures = [name]
    tensors = cut_tensors(source, vlm.family, depth, norm.tensors, vlm.dtype)
    parts = _Parts(config, tensors, classifier, norm, records, states)
    told = {
        "architecture": name,
        "model_type": config.model_type,
        "loads_as": "sequence" if head_class(config.model_type) else "trunk",
    }
    head, how = parts.refitted() if as_ == "linear" else parts.exact()
    parts.head = head
    parts.told = {**told, "as": as_, "constant": False, "refitted": None, **how}
    return parts


def _constant(head: LinearHead, norm: FinalNorm, room: bool) -> torch.Tensor | None:
    """What the last layer has to add, (D,), so that no intercept is left; ``None`` for nothing."""
    vector = head.absorbed()
    problems = []
    if not norm.keeps_direction:
        problems.append("the final norm is not an RMS norm: it takes the mean away first")
    if np.any(vector) and not room:
        problems.append("the read-out has an intercept, and this decoder's MLPs have no biases")
    if problems:
        raise DataError(
            f"No head on the normed state decides as this read-out does: {'; '.join(problems)}.",
            where="read_out",
            mend="Let the nearest one be fitted (--as linear --data records.jsonl), or export "
            "the votes themselves (superneurons export onnx).",
        )
    return torch.from_numpy(vector) if np.any(vector) else None


def _scaled(head: LinearHead, states: Any, constant: torch.Tensor | None) -> LinearHead:
    """Undo for a typical record what the norm divides by, so that probabilities are alike."""
    if states is None:
        return head
    moved = states.astype(np.float64) + (0.0 if constant is None else constant.numpy())
    typical = float(np.median(np.sqrt(np.mean(moved**2, axis=1))))
    return replace(head, weight=head.weight * typical)


def _write(directory: Path, classifier: SuperNeuronClassifier, parts: _Parts) -> None:
    from huggingface_hub import save_torch_state_dict

    tensors = {**parts.tensors, SCORE: torch.from_numpy(parts.head.weight).float().contiguous()}
    save_torch_state_dict(tensors, directory, max_shard_size=_SHARD, metadata={"format": "pt"})
    for path in directory.glob("*.safetensors"):
        path.chmod(0o644)  # a server may run as somebody else
    parts.config.save_pretrained(directory)
    vlm = classifier.vlm
    copy_processor(source_of(vlm, trust_remote_code=classifier.trust_remote_code), directory)


def _compared(
    directory: Path, classifier: SuperNeuronClassifier, records: Sequence[Record]
) -> dict[str, Any]:
    """How far the written checkpoint is the classifier, on records."""
    names = [str(label) for label in classifier.classes_]
    theirs = reloaded_answers(directory, classifier, records)
    ours = list(classifier.answers(records))
    unrounded = classifier.read_out_.predict(_unrounded(classifier, records))
    same = [names[row.argmax()] == one.label for row, one in zip(theirs, ours, strict=True)]
    alike = [names[row.argmax()] == str(one) for row, one in zip(theirs, unrounded, strict=True)]
    p = np.array([[one.probabilities[name] for name in names] for one in ours])
    compared: dict[str, Any] = {
        "records": len(records),
        "agreement": float(np.mean(same)),
        "agreement_unrounded": float(np.mean(alike)),
        "dtype": str(classifier.vlm.dtype).removeprefix("torch."),
        "largest_probability_difference": float(np.abs(p - theirs).max()),
    }
    if all(record.label in names for record in records):
        truth = [names.index(str(record.label)) for record in records]
        compared["accuracy"] = float(np.mean(theirs.argmax(axis=1) == truth))
        compared["accuracy_of_classifier"] = float(np.mean(p.argmax(axis=1) == truth))
    return compared


def _unrounded(classifier: SuperNeuronClassifier, records: Sequence[Record]) -> Any:
    """What the read-out would read if activations weren't kept in float16, (N, K) float32."""
    size, run = classifier.batch_size, classifier.early_exit()
    batches = (records[start : start + size] for start in range(0, len(records), size))
    encoded = (classifier.vlm.encode(batch, classifier.prompt) for batch in batches)
    return np.concatenate([run(inputs).cpu().numpy() for inputs in encoded])


def _asked(classifier: SuperNeuronClassifier) -> str:
    """The whole text that the model is asked with; of any question where there were several."""
    vlm, question = classifier.vlm, classifier.question_ or "{question}"
    return classifier.prompt.render(vlm.processor, question, family=vlm.family)
