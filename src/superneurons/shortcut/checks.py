"""What a classifier cannot be fitted on or asked with, said before it gives a wrong answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import get_tags

from superneurons.errors import DataError, MismatchError, Problem
from superneurons.probes.arrays import LARGEST, check_finite
from superneurons.probes.base import ReadOut
from superneurons.probes.logits import LabelLogits
from superneurons.probes.registry import make_read_out
from superneurons.shortcut.form import Multiclass
from superneurons.task.record import Record

__all__ = ["check_classes", "check_shape", "check_values", "native_or_unrolled", "usable_read_out"]


def usable_read_out(name: str, parameters: Mapping[str, Any] | None) -> ReadOut:
    """Make a read-out of activations by its name.

    Raises
    ------
    DataError
        An unknown name or parameter, or a read-out of something else than activations.
    """
    read_out = make_read_out(name, **(parameters or {}))
    if isinstance(read_out, LabelLogits):
        raise DataError(
            f"The read-out {name!r} reads the base model's label logits, not activations.",
            where="read_out",
            mend="`superneurons compare` measures it beside the others; a classifier takes any "
            "other read-out.",
        )
    return read_out


def native_or_unrolled(multiclass: Multiclass, read_out: ReadOut) -> Literal["native", "unrolled"]:
    """Decide how more than two answers are told apart.

    Raises
    ------
    DataError
        When ``multiclass`` is none of the known words.
    """
    if multiclass not in get_args(Multiclass):
        raise DataError(
            f"multiclass is {multiclass!r}.",
            where="multiclass",
            mend=f"Known: {', '.join(get_args(Multiclass))}.",
        )
    if multiclass == "auto":
        return "native" if _knows_many(read_out) else "unrolled"
    return multiclass


def check_classes(read_out: ReadOut, y: NDArray[np.str_]) -> None:
    """Refuse more classes than a read-out can tell apart.

    Raises
    ------
    DataError
        More than two for a read-out that knows two.
    """
    classes = np.unique(y).tolist()
    if len(classes) > 2 and not _knows_many(read_out):
        raise DataError(
            f"The read-out {read_out.name!r} tells two classes apart, not {len(classes)}: "
            f"{', '.join(map(repr, classes))}.",
            where="multiclass",
            mend="Ask for each by itself (multiclass 'auto' or 'unrolled'), or take a read-out "
            "for many classes, such as 'super-neurons'.",
        )


def _knows_many(read_out: ReadOut) -> bool:
    return bool(get_tags(read_out).classifier_tags.multi_class)


def check_shape(activations: NDArray[Any], *, n: int, layers: int, width: int) -> None:
    """Refuse activations of other records or of another model.

    Parameters
    ----------
    activations
        Shape (N, L, W).
    n, layers, width
        What N and W must be, and L at least.

    Raises
    ------
    MismatchError
        Says all that differs.
    """
    if activations.ndim != 3:
        problems = [Problem("shape", f"{activations.shape}, not (records, layers, width)")]
    else:
        found = zip(("records", "layers", "width"), activations.shape, strict=True)
        wanted = {"records": f"{n}", "layers": f"{layers} or more", "width": f"{width}"}
        right = (activations.shape[0] == n, activations.shape[1] >= layers)
        fits = (*right, activations.shape[2] == width)
        problems = [
            Problem(name, f"{size}, should be {wanted[name]}")
            for (name, size), good in zip(found, fits, strict=True)
            if not good
        ]
    if problems:
        raise MismatchError(
            "These activations belong to other records or to another model.",
            problems=problems,
            mend="Capture what `asked` gives for these records, with the classifier's own model.",
        )


def check_values(
    X: NDArray[Any], layers: NDArray[np.int64] | Sequence[int], records: Sequence[Record]
) -> None:
    """Refuse activations that are no finite numbers or come near infinity, by record and layer.

    Parameters
    ----------
    X
        Activations, shape (N, P).
    layers
        The layer of each column, shape (P,).
    records
        N of them, for the message.

    Raises
    ------
    DataError
        One problem for each record, with its layers.
    """
    try:
        check_finite(X)
    except DataError as error:
        problems = [
            Problem(record.id or f"record {index}", _what(row, np.asarray(layers)))
            for index, (record, row) in enumerate(zip(records, X, strict=True))
            if not _usable(row).all()
        ]
        raise DataError(
            "Some activations are no finite numbers.",
            problems=list(dict.fromkeys(problems)),
            mend="Run the model in bfloat16 or float32 (dtype, --dtype), or leave these records "
            "out.",
        ) from error


def _what(row: NDArray[Any], layers: NDArray[np.int64]) -> str:
    kind = f"more than {LARGEST:g}" if np.isfinite(row).all() else "infinity"
    kind = "NaN" if np.isnan(row).any() else kind
    places = Counter(layers[~_usable(row)].tolist())
    return f"{kind} in " + ", ".join(f"layer {k} ({n} neurons)" for k, n in sorted(places.items()))


def _usable(row: NDArray[Any]) -> NDArray[np.bool_]:
    # NaN is not at most anything. float64, since the limit is beyond float16.
    return np.asarray(np.abs(row.astype(np.float64)) <= LARGEST)
