"""What fitted read-outs share: labels from decision values, storing, and compacting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from superneurons.errors import ArtefactError, DataError, Problem
from superneurons.probes.base import JsonValue, ReadOut, ReadOutState
from superneurons.probes.states import neuron_problems, state_problems

__all__ = ["FittedReadOut", "require_ranges", "seed_of"]


class FittedReadOut(ReadOut):
    """A read-out that names what it learns, and so is stored and compacted without more code.

    Subclasses name their learned attributes: arrays with their forms and values with their types,
    as :func:`~superneurons.probes.states.state_problems` takes them; ``K`` is the number of
    neurons. Arrays among them must not refer to columns of ``X``: only ``neurons_`` does.
    """

    _arrays: ClassVar[Mapping[str, str]] = {}
    _values: ClassVar[Mapping[str, type]] = {}

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
        parameters: dict[str, JsonValue] = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in self.get_params(deep=False).items()
        }
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
            Anything learned is missing from the state, of another form, not finite or at odds with
            the rest; a parameter is unknown or out of range. Lists every problem.
        """
        classes, parameters = np.asarray(classes), state.values.get("parameters")
        arrays, values = (
            {"neurons_": "int K", **cls._arrays},
            {"n_features_in_": int, **cls._values},
        )
        problems = state_problems(state, arrays, values, classes.size)
        if classes.ndim != 1 or not 2 <= classes.size == len(set(classes.tolist())):
            problems.append(Problem("classes_", f"{classes.tolist()} are not different labels"))
        if not isinstance(parameters, dict):
            problems.append(Problem("parameters", "missing, or not by name"))
        else:
            unknown = set(parameters) - set(cls._get_param_names())
            problems += [Problem(f"parameters.{name}", "unknown") for name in sorted(unknown)]
        cls._refuse(problems)
        read_out = cls(**parameters)  # type: ignore[arg-type]
        for name in arrays:
            setattr(read_out, name, np.asarray(state.arrays[name]))
        for name in values:
            setattr(read_out, name, state.values[name])
        read_out.classes_ = classes
        n_neurons = getattr(read_out, "n_neurons_", len(read_out.neurons_))
        problems = neuron_problems(read_out.neurons_, read_out.n_features_in_, n_neurons)
        try:
            read_out._check_parameters()
        except DataError as error:
            problems += [Problem(f"parameters.{p.where}", p.what) for p in error.problems]
        cls._refuse(problems or read_out._contradictions())
        return read_out

    @classmethod
    def _refuse(cls, problems: list[Problem]) -> None:
        if problems:
            raise ArtefactError(
                f"This isn't the state of a {cls.name!r} read-out.",
                problems=problems,
                mend="Fit again with this version of the package.",
            )

    def _check_parameters(self) -> None:
        """Raise ``DataError`` where a parameter is out of range; there may be none."""

    def _contradictions(self) -> list[Problem]:
        """List what was learned and can't be true at once; each part by itself is in order."""
        return []


def seed_of(random_state: Any) -> int:
    """Turn scikit-learn's ``random_state`` into a whole number.

    Raises
    ------
    DataError
        It is nothing that scikit-learn takes.
    """
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise DataError(
            f"random_state: {random_state!r} is no seed.", mend="Give a whole number or None."
        ) from error


def require_ranges(*ranges: tuple[str, Any, bool, str]) -> None:
    """Refuse parameters out of range, all at once: (name, value, whether it is right, range)."""
    problems = [
        Problem(name, f"{value!r} is not {allowed}")
        for name, value, right, allowed in ranges
        if not right
    ]
    if problems:
        raise DataError("Parameters out of range.", problems=problems, mend="Change them.")
