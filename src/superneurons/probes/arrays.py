"""What every read-out does to the arrays it is given, before anything is learned from them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from superneurons.errors import DataError, Problem
from superneurons.probes.duplicates import warn_of_contradictions

if TYPE_CHECKING:
    from superneurons.probes.base import ReadOut

__all__ = [
    "FLOATS",
    "LARGEST",
    "Activations",
    "as_tensor",
    "check_binary",
    "check_finite",
    "check_layers",
    "check_query",
    "check_training",
    "row_products",
]

Activations: TypeAlias = "NDArray[Any] | torch.Tensor"
"""Activations of shape (N, P): NumPy (memory-mapped too) or a tensor on any device."""

FLOATS = (np.float64, np.float32, np.float16)
LARGEST = 1e30
"""No model's activations come near; beyond it, squares of standard scores leave float32."""

_COLUMNS_AT_ONCE = 4096
_MOST_COLUMNS_NAMED = 5
_PRODUCTS_AT_ONCE = 2**20
_MEND_TRAINING = (
    "Give X of shape (N, P), floating, and in y one label for each of its N samples: text or whole "
    "numbers, none missing."
)


class _NotNumbersError(DataError, TypeError):
    """Activations of a type that holds no numbers; scikit-learn's checks ask for a TypeError."""

    # Both bases are plain; the tree's own message wins.
    __str__ = DataError.__str__


def as_tensor(X: Activations) -> torch.Tensor:
    """View activations of shape (N, P) as a tensor; copy only what torch has no way to view."""
    if isinstance(X, torch.Tensor):
        return X
    if min(X.strides, default=0) < 0:
        X = X.copy()  # ascontiguousarray keeps the stride of a single column
    with warnings.catch_warnings():
        # A read-only memory map is fine here: nothing in this package writes to activations.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(X if X.dtype.isnative else X.astype(X.dtype.newbyteorder("=")))


def check_finite(X: Activations) -> None:
    """Refuse NaN, infinity and what comes near it in activations of shape (N, P).

    Raises
    ------
    DataError
        With one problem per sample, naming its first columns.
    """
    tensor = as_tensor(X)
    for start in range(0, tensor.shape[1], _COLUMNS_AT_ONCE):
        block = tensor[:, start : start + _COLUMNS_AT_ONCE]
        # One pass, and NaN goes through it: half the cost of isfinite().all().
        if block.numel() and not all(abs(float(end)) <= LARGEST for end in torch.aminmax(block)):
            raise _not_finite(tensor)


def _not_finite(tensor: torch.Tensor) -> DataError:
    problems = []
    for sample, row in enumerate(tensor):
        usable = row.isfinite() & (row.double().abs() <= LARGEST)
        columns = torch.nonzero(~usable).flatten().tolist()
        if columns:
            kinds = _kind(row[columns])
            named = ", ".join(map(str, columns[:_MOST_COLUMNS_NAMED]))
            more = " …" if len(columns) > _MOST_COLUMNS_NAMED else ""
            what = f"{kinds} in {len(columns)} of {len(row)} columns: {named}{more}"
            problems.append(Problem(f"sample {sample}", what))
    return DataError(
        f"Activations must be finite: Input X contains NaN, infinity or more than {LARGEST:g}.",
        problems=problems,
        mend="Capture them again in bfloat16 or float32 (float16 overflows above 65,504), "
        "or leave these samples out.",
    )


def _kind(values: torch.Tensor) -> str:
    if bool(values.isnan().any()):
        return "NaN"
    return "inf" if bool(values.isinf().any()) else f"more than {LARGEST:g}"


def check_training(
    estimator: ReadOut, X: Any, y: Any, groups: Any = None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Check what ``fit`` was given and note the classes on the estimator.

    Returns
    -------
    X : ndarray of shape (N, P), float16, float32 or float64
        As given where it already is such an array.
    codes : ndarray of shape (N,), int64
        Index of each label in ``classes_``.

    Raises
    ------
    DataError
        Wrong shapes or types, NaN or infinity, or one class only.

    Warns
    -----
    DataWarning
        When identical rows have different labels.
    """
    try:
        X, y = validate_data(estimator, X, y, dtype=list(FLOATS), ensure_all_finite=False)
        check_classification_targets(y)
    except (TypeError, ValueError) as error:
        raise _refusal(error, _MEND_TRAINING) from error
    if groups is not None and np.shape(groups) != (len(y),):
        raise DataError(
            f"groups has shape {np.shape(groups)}, but there are {len(y)} samples.",
            mend="Give one group for each sample.",
        )
    check_finite(X)
    estimator.classes_, codes = np.unique(y, return_inverse=True)
    if len(estimator.classes_) < 2:
        raise DataError(
            f"All {len(y)} samples have one class, {str(estimator.classes_[0])!r}.",
            mend="Give samples of at least two classes.",
        )
    codes = codes.astype(np.int64)
    warn_of_contradictions(X, codes)
    return X, codes


def _refusal(error: Exception, mend: str) -> DataError:
    kind = _NotNumbersError if isinstance(error, TypeError) else DataError
    return kind(str(error), mend=mend)


def check_layers(X: NDArray[Any], width: int) -> None:
    """Refuse columns that aren't whole layers of ``width`` neurons.

    Raises
    ------
    DataError
        With the numbers.
    """
    if X.shape[1] % width:
        raise DataError(
            f"{X.shape[1]} columns aren't whole layers of {width}.",
            mend="Give the layer_width of the site: for the residual stream the model's hidden "
            "size.",
        )


def check_binary(estimator: ReadOut) -> None:
    """Refuse more than two classes, for the read-outs that know no more."""
    if len(estimator.classes_) > 2:
        raise DataError(
            "Only binary classification is supported. The type of the target is multiclass: "
            f"{len(estimator.classes_)} classes.",
            mend="Ask one yes/no question for each option, or use a read-out for many classes.",
        )


def check_query(estimator: ReadOut, X: Any) -> NDArray[Any]:
    """Check what a fitted estimator is asked about.

    Returns
    -------
    ndarray of shape (N, K), of the dtype of X
        ``X[:, neurons_]``, row after row in memory: NumPy adds such rows up alike in any batch.

    Raises
    ------
    DataError
        Another number of columns than in ``fit``, NaN or infinity.
    """
    check_is_fitted(estimator, "neurons_")
    try:
        X = validate_data(estimator, X, reset=False, dtype=list(FLOATS), ensure_all_finite=False)
    except (TypeError, ValueError) as error:
        mend = f"Give X of shape (N, {estimator.n_features_in_}), floating, of the same model."
        raise _refusal(error, mend) from error
    check_finite(X)
    return np.asarray(X).take(estimator.neurons_, axis=1)


def row_products(X: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply ``X @ weights`` in float64 so that no row's result depends on the other rows.

    Linear algebra libraries add up in an order that hangs on the size of the batch. Where two
    answers are as good as each other, that would decide between them.

    Parameters
    ----------
    X
        Shape (N, K), floating.
    weights
        Shape (K, T); each column costs one pass.

    Returns
    -------
    ndarray of shape (N, T), float64
    """
    products = np.empty((len(X), weights.shape[1]))
    at_once = max(1, _PRODUCTS_AT_ONCE // max(1, X.shape[1]))
    columns = np.ascontiguousarray(weights.T)
    for start in range(0, len(X), at_once):
        rows = np.ascontiguousarray(X[start : start + at_once], dtype=np.float64)
        for t, column in enumerate(columns):
            products[start : start + at_once, t] = (rows * column).sum(axis=1)
    return products
