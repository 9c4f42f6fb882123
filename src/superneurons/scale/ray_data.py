"""Work on many machines: a class with something to open, over items, as actors of Ray Data."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from superneurons._extras import require
from superneurons.errors import DataError, Problem, SuperNeuronsError

__all__ = ["Actors", "on_ray"]

_PURPOSE = "Running on Ray"


@dataclass(frozen=True, slots=True)
class Actors:
    """How many processes work, and what each of them gets.

    Parameters
    ----------
    n
        Actors, each with a model of its own.
    gpus
        GPUs for each: a share of one (0.5 puts two actors on one GPU), 1, or several, over which
        each lays its model (:func:`~superneurons.vlm.spread.spread`): for models that one GPU
        cannot hold. Where it fits on one, as many actors more are faster.
    cpus
        CPUs for each.
    address
        The cluster: ``auto``, ``ray://HOST:PORT``, or nothing for the one that is there, else a
        local one.

    Raises
    ------
    DataError
        For numbers that make no sense; lists them all.
    """

    n: int = 1
    gpus: float = 0.0
    cpus: float = 1.0
    address: str | None = None

    def __post_init__(self) -> None:
        ranges = (
            ("actors", self.n, self.n >= 1, "is not 1 or more"),
            ("gpus per actor", self.gpus, self.gpus >= 0, "is not 0 or more"),
            ("gpus per actor", self.gpus, self.gpus <= 1 or self.gpus == int(self.gpus),
             "is neither a share of one nor a whole number"),
            ("cpus per actor", self.cpus, self.cpus >= 0, "is not 0 or more"),
        )  # fmt: skip
        problems = [
            Problem(name, f"{given:g} {wrong}") for name, given, right, wrong in ranges if not right
        ]
        if problems:
            raise DataError("Such actors cannot be.", problems=problems, mend="Change them.")

    def device(self, asked: str) -> str:
        """Return where an actor opens its model: over all its GPUs, where there are several.

        Parameters
        ----------
        asked
            As :func:`~superneurons.vlm.opening.open_vlm` takes it.

        Raises
        ------
        DataError
            When it names fewer devices than an actor has GPUs, or more.

        Examples
        --------
        >>> Actors(gpus=2).device("auto")
        'cuda:0,cuda:1'
        """
        asked = str(asked)  # a device of torch will do, too
        if self.gpus <= 1 and "," not in asked:
            return asked
        whole = max(1, int(self.gpus))
        if whole > 1 and asked in ("auto", "cuda"):
            return ",".join(f"cuda:{number}" for number in range(whole))
        if len(asked.split(",")) != whole:
            raise DataError(
                f"Each actor has {self.gpus:g} GPU{'s' * (self.gpus != 1)}, but is to open its "
                f"model on {asked!r}.",
                where="device, gpus per actor",
                mend="Leave the device to be found (--device auto), or give each actor a GPU for "
                "each device that is named (--gpus-per-actor).",
            )
        return asked


def on_ray(
    worker: Callable[..., Callable[[Any], dict[str, Any]]],
    given: tuple[Any, ...],
    items: Sequence[Any],
    actors: Actors,
) -> Iterator[dict[str, Any]]:
    """Have each item worked on by one of several actors.

    An actor that dies is started again, and the items that it had not finished are worked on again:
    what a worker does must bear being done twice.

    Parameters
    ----------
    worker
        A class: made once in each actor, then called with one item at a time.
    given
        What it is made with.
    items
        Anything that can be sent.
    actors
        How many, and with what.

    Returns
    -------
    iterator of dict
        What the calls returned, as they are done: JSON values.

    Raises
    ------
    MissingExtraError
        When Ray is not installed.
    DataError
        When the cluster lacks what an actor needs.
    """
    ray = require("ray", extra="ray", purpose=_PURPOSE)
    data = require("ray.data", extra="ray", purpose=_PURPOSE)
    if not ray.is_initialized():
        ray.init(address=actors.address, log_to_driver=False, logging_level=logging.ERROR)
    _refuse_too_much(ray.cluster_resources(), actors)
    _quieten(data)
    given_items = data.from_items(
        [{"item": item} for item in items], override_num_blocks=len(items)
    )
    done = given_items.map_batches(
        _Worker,
        fn_constructor_args=(worker, given),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=min(actors.n, len(items))),
        num_gpus=actors.gpus,
        num_cpus=actors.cpus,
    )
    return _told(done)


def _told(done: Any) -> Iterator[dict[str, Any]]:
    """What the workers returned; what one refused is raised here as it was there."""
    for row in done.iter_rows():
        if row["refused"]:
            raise _rebuilt(json.loads(row["refused"]))
        yield json.loads(row["done"])


class _Worker:
    """What Ray Data calls: a batch is one item. Made at the first, where errors can be told."""

    def __init__(
        self, worker: Callable[..., Callable[[Any], dict[str, Any]]], given: tuple[Any, ...]
    ) -> None:
        self._made = lru_cache(maxsize=1)(partial(worker, *given))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        # Ray keeps only the text of an exception, and says it in a page of its own frames.
        done, refused = "", ""
        try:
            (item,) = batch["item"]
            # Ray keeps plain numbers and texts in arrays, which make other types of them.
            item = item.item() if isinstance(item, np.generic) else item
            done = json.dumps(self._made()(item))
        except SuperNeuronsError as error:
            refused = json.dumps(_described(error))
        return {"done": [done], "refused": [refused]}


def _described(error: SuperNeuronsError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "mend": error.mend,
        "problems": [(problem.where, problem.what) for problem in error.problems],
    }


def _rebuilt(told: dict[str, Any]) -> SuperNeuronsError:
    name, kinds = told.pop("kind"), [SuperNeuronsError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    kind = next((kind for kind in kinds if kind.__name__ == name), SuperNeuronsError)
    problems = [Problem(*problem) for problem in told.pop("problems")]
    return kind(told.pop("what"), problems=problems, **told)


def _refuse_too_much(there: dict[str, float], actors: Actors) -> None:
    needs = {"GPU": actors.gpus, "CPU": actors.cpus}
    problems = [
        Problem(name, f"{need:g} for each actor, but the cluster has {there.get(name, 0):g}")
        for name, need in needs.items()
        if need > there.get(name, 0)
    ]
    if problems:
        raise DataError(
            "No actor could ever start.", problems=problems, mend="Ask for less, or add machines."
        )


def _quieten(data: Any) -> None:
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
