"""Whether a stored state is that of a fitted read-out: every part, its form, and its values."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superneurons.errors import Problem
from superneurons.probes.base import ReadOutState

__all__ = ["is_between", "is_whole", "neuron_problems", "state_problems"]

_DTYPES = {"float": "f", "int": "iu"}


def state_problems(
    state: ReadOutState, arrays: Mapping[str, str], values: Mapping[str, type], n_classes: int
) -> list[Problem]:
    """List what is missing from a state, or isn't what it should be.

    Parameters
    ----------
    state
        What was stored.
    arrays
        Form of each array: "float" or "int" and its dimensions. ``C`` stands for the number of
        classes, ``T`` for the columns of a decision (1 for two classes, else C), and any other
        letter for a number that is the same wherever the letter is.
    values
        Type of each value, ``int`` or ``float``.
    n_classes
        C.

    Examples
    --------
    >>> state = ReadOutState({"coef_": np.ones((3, 4))}, {})
    >>> for problem in state_problems(state, {"coef_": "float K T"}, {"scale_": float}, 2):
    ...     print(problem)
    coef_: has shape (3, 4), not (3, 1)
    scale_: missing
    """
    sizes = {"C": n_classes, "T": 1 if n_classes == 2 else n_classes}
    found = {name: _array_problem(state.arrays, name, form, sizes) for name, form in arrays.items()}
    found |= {name: _value_problem(state.values, name, kind) for name, kind in values.items()}
    return [Problem(name, what) for name, what in found.items() if what is not None]


def _array_problem(
    arrays: Mapping[str, Any], name: str, form: str, sizes: dict[str, int]
) -> str | None:
    if name not in arrays:
        return "missing"
    array = np.asarray(arrays[name])
    kind, *letters = form.split()
    if array.dtype.kind not in _DTYPES[kind]:
        return f"is of {array.dtype}, not {kind}"
    if array.ndim != len(letters):
        return f"has shape {array.shape}, not ({', '.join(letters)})"
    wanted = tuple(
        sizes.setdefault(letter, size) for letter, size in zip(letters, array.shape, strict=True)
    )
    if array.shape != wanted:
        return f"has shape {array.shape}, not {wanted}"
    if array.size == 0:
        return "is empty"
    n_bad = int(np.sum(~np.isfinite(array)))
    return f"{n_bad} of {array.size} are not finite" if n_bad else None


def _value_problem(values: Mapping[str, Any], name: str, kind: type) -> str | None:
    if name not in values:
        return "missing"
    value = values[name]
    right = is_whole(value, 0) if kind is int else is_between(value, -np.inf, np.inf)
    return None if right else f"{value!r} is not a {'count' if kind is int else 'finite number'}"


def neuron_problems(
    neurons: NDArray[np.int64], n_features_in: int, n_neurons: int
) -> list[Problem]:
    """List why neurons, of shape (K,), can't be columns, or not so many."""
    problems = []
    if len(neurons) != n_neurons:
        problems.append(Problem("n_neurons_", f"{n_neurons}, but there are {len(neurons)}"))
    if (np.diff(neurons) <= 0).any() or neurons[0] < 0 or neurons[-1] >= n_features_in:
        problems.append(
            Problem("neurons_", f"are not different columns of {n_features_in}, ascending")
        )
    return problems


def is_whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, and at least so large; True and False are none."""
    if isinstance(value, bool):
        return False
    return isinstance(value, Integral) and int(value) >= least


def is_between(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number strictly between two others; True and False are none."""
    if isinstance(value, bool):
        return False
    return isinstance(value, Real) and low < float(value) < high
