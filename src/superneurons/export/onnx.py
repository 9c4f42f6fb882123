"""A classifier as one ONNX graph: pixels in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils.validation import check_is_fitted

from superneurons._extras import require
from superneurons.activations.store import write_atomically
from superneurons.errors import DataError, Problem
from superneurons.export.folder import check_free, new_directory
from superneurons.export.linear import check_asked_once
from superneurons.export.onnx_card import onnx_card
from superneurons.export.onnx_graph import (
    PIXELS,
    AnswerGraph,
    answer_graph,
    silent,
    traced,
    untraceable,
)
from superneurons.export.onnx_run import bytes_of, median_ms, probabilities, quantised, session
from superneurons.export.pictures import prepare, recipe
from superneurons.export.provenance import licence_of, provenance, write_json
from superneurons.task.images import open_image
from superneurons.task.record import Record

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

__all__ = ["AGREEMENT", "OPSET", "export_onnx"]

OPSET = 20
AGREEMENT = 0.995
"""Share of records on which 8-bit weights must give the classifier's answer to be kept."""

_GRAPH, _EIGHT = "classifier.onnx", "classifier.int8.onnx"
_INSIDE = 1_800_000_000  # bytes; a protobuf holds 2 GB, larger weights go beside it
_EXACT = 1e-5


def export_onnx(
    classifier: SuperNeuronClassifier,
    directory: str | Path,
    *,
    records: Sequence[Record] | None = None,
    question: str | None = None,
    int8: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write vision tower, projector, layers up to the exit and votes as one graph.

    The question is part of the graph. Families with a lean pass and pictures of one size take any
    batch; others one picture, as far as their code can be traced at all.

    Parameters
    ----------
    classifier
        A fitted one, that asks one question once, of one picture.
    directory
        Where to write; made whole or not at all.
    records
        To compare on; asked the same question.
    question
        Where the classifier was fitted on several, which.
    int8
        Also try weights in 8 bits; kept where they answer alike (:data:`AGREEMENT`).
    overwrite
        Replace an older export.

    Returns
    -------
    dict
        What the export says about itself; ``compared`` is ``None`` without records.

    Raises
    ------
    DataError
        When no graph is written for what it reads, no question is known, another one was fitted,
        or records ask others, have several pictures, or give pixels of another shape.
    ModelError
        When the family cannot be traced.
    MissingExtraError
        When the packages of the extra ``onnx`` are not installed.
    OutputError
        When the directory is taken or cannot be written.
    NotFittedError
        Before ``fit``.
    """
    directory = Path(directory).expanduser()
    _check(classifier, records, int8)
    check_free(directory, overwrite=overwrite)
    asked = _asked(classifier, records, question)
    pixels = _pixels(classifier, asked)
    told = _origin(classifier, asked[0].question)
    with new_directory(directory, overwrite=overwrite) as partial:
        told |= _made(partial, classifier, asked, pixels, compare=bool(records), int8=int8)
        write_json(partial, told)
        write_atomically(partial / "README.md", onnx_card(told).encode())
    return told


def _check(classifier: SuperNeuronClassifier, records: Sequence[Record] | None, int8: bool) -> None:
    check_is_fitted(classifier, "read_out_")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, extra="onnx", purpose="Exporting an ONNX graph")
    check_asked_once(classifier)
    if int8 and not records:
        raise DataError(
            "Whether 8 bits answer alike can only be told on records.",
            where="int8",
            mend="Give records (--data), or leave 8 bits out.",
        )


def _origin(classifier: SuperNeuronClassifier, question: str) -> dict[str, Any]:
    told = {**provenance(classifier, "onnx"), "question": question}
    told["licence"] = licence_of(classifier.vlm.name)
    told["versions"] |= {name: version(name) for name in ("onnx", "onnxruntime")}
    return told


def _made(
    directory: Path,
    classifier: SuperNeuronClassifier,
    asked: Sequence[Record],
    pixels: Sequence[NDArray[np.float32]],
    *,
    compare: bool,
    int8: bool,
) -> dict[str, Any]:
    """Write the graphs, and say what they are, answer and take."""
    told = _graph(directory / _GRAPH, classifier, asked, pixels)
    opened, any_batch = session(directory / _GRAPH), told["graph"]["any_batch"]
    theirs = probabilities(opened, pixels, any_batch=any_batch)
    return told | {
        "compared": _compared(classifier, asked, theirs) if compare else None,
        "latency_ms": _timed(classifier, asked, opened, pixels[0]),
        "int8": _eight(directory, classifier, asked, pixels, any_batch) if int8 else None,
    }


def _asked(
    classifier: SuperNeuronClassifier, records: Sequence[Record] | None, question: str | None
) -> list[Record]:
    """The records, or one that is made up, all asked what the graph will hold."""
    fitted = classifier.question_
    if question and fitted and question != fitted:
        raise DataError(
            f"The classifier was fitted on {fitted!r}, not on {question!r}.",
            where="question",
            mend="Leave the question (--question) out.",
        )
    wanted = question or fitted
    if wanted is None and records:
        wanted = records[0].question
    if wanted is None:
        raise DataError(
            "The classifier was fitted on several questions; a graph holds one.",
            where="question",
            mend="Say which (--question).",
        )
    problems = [
        Problem(record.id or f"record {index}", what)
        for index, record in enumerate(records or ())
        for what in _other(record, wanted)
    ]
    if problems:
        raise DataError(
            f"The graph asks {wanted!r} of one picture; some records don't.",
            problems=problems,
            mend="Leave these records out, or name their question (--question).",
        )
    if records:
        return list(records)
    return [Record((Image.new("RGB", (64, 48), (120, 90, 60)),), wanted)]


def _other(record: Record, question: str) -> Iterator[str]:
    if record.question != question:
        yield f"asks {record.question!r}"
    if len(record.images) != 1:
        yield f"has {len(record.images)} pictures"


def _pixels(
    classifier: SuperNeuronClassifier, records: Sequence[Record]
) -> list[NDArray[np.float32]]:
    """Pixels of each record, all of one shape."""
    vlm = replace(classifier.vlm, preparation="processor")
    found = [vlm.encode([record], classifier.prompt).tensors[PIXELS] for record in records]
    pixels = [tensor.float().cpu().numpy() for tensor in found]
    problems = [
        Problem(record.id or f"record {index}", f"{values.shape}")
        for index, (record, values) in enumerate(zip(records, pixels, strict=True))
        if values.shape != pixels[0].shape
    ]
    if problems:
        raise DataError(
            f"A graph takes pixels of one shape, {pixels[0].shape}; some pictures give another.",
            problems=problems,
            mend="Bring pictures to one size first; this model keeps their shape.",
        )
    return pixels


def _graph(
    path: Path,
    classifier: SuperNeuronClassifier,
    records: Sequence[Record],
    pixels: Sequence[NDArray[np.float32]],
) -> dict[str, Any]:
    """Write the graph, and say what it is."""
    vlm = replace(classifier.vlm, preparation="processor")
    inputs = vlm.encode(records[:1], classifier.prompt)
    tensors = {
        name: value.cpu().float() if value.is_floating_point() else value.cpu()
        for name, value in inputs.tensors.items()
    }
    graph = answer_graph(classifier, tensors)
    _write(path, graph, tensors[PIXELS], vlm.family.name)
    how = recipe(vlm.processor)
    apart = None if how is None else _apart(how, records, pixels)
    kept = apart is not None and apart <= _EXACT
    return {
        "graph": {
            "file": path.name,
            "opset": OPSET,
            "any_batch": graph.any_batch,
            "input_shape": list(pixels[0].shape),
            "bytes": bytes_of(path),
            "prepare": how if kept else None,
            "prepare_difference": apart if kept else None,
        }
    }


def _apart(
    how: dict[str, Any], records: Sequence[Record], pixels: Sequence[NDArray[np.float32]]
) -> float:
    """How far pixels made by the recipe are from the processor's; infinite where of other shape."""
    made = [prepare(open_image(record.images[0]), how) for record in records]
    if any(a.shape != b.shape for a, b in zip(made, pixels, strict=True)):
        return float("inf")
    return max(float(np.abs(a - b).max()) for a, b in zip(made, pixels, strict=True))


def _write(path: Path, graph: AnswerGraph, pixels: torch.Tensor, name: str) -> None:
    program = traced(graph, pixels, name)
    try:
        with silent():
            made = torch.onnx.export(
                program, (), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=[PIXELS], output_names=["scores", "probabilities"],
            )  # fmt: skip
    except Exception as error:
        raise untraceable(name, error) from error
    assert made is not None
    size = sum(value.numel() * value.element_size() for value in program.state_dict.values())
    size += sum(
        value.numel() * value.element_size()
        for value in program.constants.values()
        if isinstance(value, torch.Tensor)
    )
    made.save(str(path), external_data=size > _INSIDE)


def _compared(
    classifier: SuperNeuronClassifier, records: Sequence[Record], theirs: NDArray[np.float64]
) -> dict[str, Any]:
    """How far a graph is the classifier, on records."""
    names = [str(label) for label in classifier.classes_]
    ours = list(classifier.answers(records))
    p = np.array([[one.probabilities[name] for name in names] for one in ours])
    same = [names[row.argmax()] == one.label for row, one in zip(theirs, ours, strict=True)]
    compared: dict[str, Any] = {
        "records": len(records),
        "agreement": float(np.mean(same)),
        "largest_probability_difference": float(np.abs(p - theirs).max()),
    }
    if all(record.label in names for record in records):
        truth = [names.index(str(record.label)) for record in records]
        compared["accuracy"] = float(np.mean(theirs.argmax(axis=1) == truth))
    return compared


def _timed(
    classifier: SuperNeuronClassifier,
    records: Sequence[Record],
    opened: Any,
    pixels: NDArray[np.float32],
) -> dict[str, Any]:
    inputs, leave = classifier.vlm.encode(records[:1], classifier.prompt), classifier.early_exit()
    read_out = classifier.read_out_

    def ours() -> object:
        return read_out.predict_proba(leave(inputs).cpu().numpy())

    def theirs() -> object:
        return opened.run(["probabilities"], {PIXELS: pixels})

    onnx, torch_ = median_ms([theirs, ours])
    return {
        "onnx": onnx,
        "torch": torch_,
        "torch_path": leave.path,
        "torch_device": classifier.vlm.device_name,
        "threads": torch.get_num_threads(),
    }


def _eight(
    directory: Path,
    classifier: SuperNeuronClassifier,
    records: Sequence[Record],
    pixels: Sequence[NDArray[np.float32]],
    any_batch: bool,
) -> dict[str, Any]:
    """Try 8 bits, and keep the file only where it answers alike."""
    path = directory / _EIGHT
    with silent(""):
        quantised(directory / _GRAPH, path)
    opened = session(path)
    found = _compared(classifier, records, probabilities(opened, pixels, any_batch=any_batch))
    ms = median_ms([lambda: opened.run(["probabilities"], {PIXELS: pixels[0]})])[0]
    told = {
        "file": _EIGHT,
        "bytes": bytes_of(path),
        "ms": ms,
        **found,
        "wanted": AGREEMENT,
        "kept": found["agreement"] >= AGREEMENT,
    }
    if not told["kept"]:
        path.unlink()
    return told
