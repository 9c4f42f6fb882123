"""What fitted read-outs share: labels from decision values, storing, and compacting."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from superneurons.errors import ArtefactError, DataError, Problem
from superneurons.probes.base import JsonValue, ReadOut, ReadOutState

__all__ = ["FittedReadOut", "require_ranges", "seed_of"]


class FittedReadOut(ReadOut):
    """A read-out that names what it learns, and so is stored and compacted without more code.

    Subclasses list their learned attributes. Arrays among them must not refer to columns of
    ``X``: only ``neurons_`` does.
    """

    _arrays: ClassVar[tuple[str, ...]] = ()
    _values: ClassVar[tuple[str, ...]] = ()

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels of shape (N,): the side of the decision value, or its largest column."""
        check_is_fitted(self, "neurons_")
        decision = self.decision_function(X)
        chosen = decision > 0 if decision.ndim == 1 else decision.argmax(axis=1)
        return self.classes_[chosen.astype(np.int64)]

    def compact(self) -> Self:
        """Return the same classifier over ``X[:, neurons_]``."""
        state = self.get_state()
        n_neurons = len(self.neurons_)
        return self.from_state(
            ReadOutState(
                {**state.arrays, "neurons_": np.arange(n_neurons)},
                {**state.values, "n_features_in_": n_neurons},
            ),
            self.classes_,
        )

    def get_state(self) -> ReadOutState:
        """Parameters and everything learned, for storage."""
        check_is_fitted(self, "neurons_")
        parameters: dict[str, JsonValue] = self.get_params(deep=False)
        if isinstance(parameters.get("random_state"), np.random.RandomState):
            parameters["random_state"] = None  # it was only needed by fit
        return ReadOutState(
            {name: getattr(self, name) for name in ("neurons_", *self._arrays)},
            {
                "parameters": parameters,
                **{name: getattr(self, name) for name in ("n_features_in_", *self._values)},
            },
        )

    @classmethod
    def from_state(cls, state: ReadOutState, classes: NDArray[Any]) -> Self:
        """Rebuild a fitted read-out from :meth:`get_state`.

        Raises
        ------
        ArtefactError
            Something learned is missing from the state, or the state has unknown parameters.
        """
        arrays, values = ("neurons_", *cls._arrays), ("n_features_in_", *cls._values)
        missing = [name for name in arrays if name not in state.arrays]
        missing += [name for name in ("parameters", *values) if name not in state.values]
        parameters = state.values.get("parameters", {})
        known = cls._get_param_names()
        if missing or not isinstance(parameters, dict) or not set(parameters) <= set(known):
            raise ArtefactError(
                f"This isn't the state of a {cls.name!r} read-out.",
                problems=[Problem(name, "missing") for name in missing],
                mend="Fit again with this version of the package.",
            )
        read_out = cls(**parameters)
        for name in arrays:
            setattr(read_out, name, np.asarray(state.arrays[name]))
        for name in values:
            setattr(read_out, name, state.values[name])
        read_out.classes_ = np.asarray(classes)
        return read_out


def seed_of(random_state: Any) -> int:
    """Turn scikit-learn's ``random_state`` into a whole number."""
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def require_ranges(*ranges: tuple[str, Any, bool, str]) -> None:
    """Refuse parameters out of range, all at once: (name, value, whether it is right, range)."""
    problems = [
        Problem(name, f"{value!r} is not {allowed}")
        for name, value, right, allowed in ranges
        if not right
    ]
    if problems:
        raise DataError("Parameters out of range.", problems=problems, mend="Change them.")
