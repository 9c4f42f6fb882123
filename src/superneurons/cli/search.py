"""``superneurons search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from superneurons.cli import options
from superneurons.cli.data import check_parts, task_or_data
from superneurons.cli.output import print_json, quiet, step
from superneurons.cli.report import keep, origin_of
from superneurons.errors import DataError, Problem

if TYPE_CHECKING:
    from superneurons.evaluate.comparison import Comparison
    from superneurons.shortcut.search_points import Point, ShortcutSearch
    from superneurons.shortcut.search_space import SearchSpace
    from superneurons.task.record import Record
    from superneurons.vlm.model import VLM

__all__ = ["search"]

_Resolutions: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Also see the pictures at so many pixels per side, such as 64,96. The model's own "
        "way is always tried."
    ),
]
_Sites: TypeAlias = Annotated[
    str, typer.Option(help="What is read: residual, vision, projector, mlp, heads.")
]
_Positions: TypeAlias = Annotated[
    str, typer.Option(help="Where decoder layers are read: last_prompt, image_mean, image_max.")
]
_Orders: TypeAlias = Annotated[
    str, typer.Option(help="What prompts begin with. The base model is asked in the first way.")
]
_MaxLayer: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Deepest layer that is tried.")
]
_Latency: TypeAlias = Annotated[
    float | None,
    typer.Option("--max-latency", help="Most milliseconds from prepared inputs to activations."),
]
_Accuracy: TypeAlias = Annotated[
    float | None, typer.Option(help="Balanced accuracy that is enough, from 0 to 1.")
]
_Within: TypeAlias = Annotated[
    float, typer.Option(help="Loss of balanced accuracy that doesn't matter.")
]
_Holdout: TypeAlias = Annotated[
    float, typer.Option(help="Share of --data to verify the choice on, where there is no --test.")
]
_Repeats: TypeAlias = Annotated[int, typer.Option(min=1, help="Rounds of the timing.")]
_Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace the classifier.")]
_Out: TypeAlias = Annotated[
    Path | None, typer.Option("--out", "-o", help="Save the chosen shortcut as a classifier here.")
]


def search(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    resolutions: _Resolutions = None,
    sites: _Sites = "residual,vision,projector",
    positions: _Positions = "last_prompt,image_mean,image_max",
    orders: _Orders = "picture-first,question-first",
    prompt_template: options.Template = None,
    max_layer: _MaxLayer = None,
    max_latency: _Latency = None,
    min_accuracy: _Accuracy = None,
    within: _Within = 0.01,
    holdout: _Holdout = 0.3,
    repeats: _Repeats = 7,
    out: _Out = None,
    overwrite: _Overwrite = False,
    report: options.Kept = True,
    thumbnails: options.Thumbnails = True,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Search for the cheapest way to stop early that answers as well, and verify it."""
    from superneurons.cli.search_table import print_front
    from superneurons.evaluate.search import search_with_base, verify

    quiet()
    _check_holdout(holdout)
    space = _space(resolutions, sites, positions, orders, max_layer, prompt_template)
    limits = _limits(max_latency, min_accuracy, within)
    _check_out(out, overwrite)
    named = task_or_data(data, test, task, question, n_probe, n_test, sprites, seed)
    train, held = _parts(*named, holdout, seed)
    vlm = _opened(model, revision, dtype, device, trust_remote_code)
    common: Any = {"batch_size": batch_size, "repeats": repeats, "seed": seed, "steps": step}
    found = search_with_base(vlm, train, space, **common)
    if not as_json:
        print_front(found, f"{task or data}, e.g. {train[0].question!r}")
    point = found.choose(**limits)
    seen: list[Any] = []
    verified, classifier = verify(
        vlm, found, point, train, held, witness=lambda *what: seen.append(what), **common
    )
    if out is not None:
        classifier.save_pretrained(out.expanduser(), overwrite=overwrite)
    _tell(task, found, point, verified, out, as_json=as_json)
    if out is not None and report:
        origin = origin_of(task, data, thumbnails)
        _keep(out, (found, point, verified, seen[0], origin), as_json=as_json)


def _opened(model: str, revision: str | None, dtype: str, device: str, trust: bool) -> VLM:
    from superneurons.vlm.opening import open_vlm

    with step("opening the model"):
        return open_vlm(
            model, revision=revision, dtype=dtype, device=device, trust_remote_code=trust
        )


def _tell(
    task: str | None,
    found: ShortcutSearch,
    point: Point,
    verified: Comparison,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from superneurons.cli.search_table import print_choice

    if as_json:
        told = {"search": found.as_dict(), "chosen": point.as_dict()}
        print_json({"task": task, **told, "verification": verified.as_dict()})
    else:
        print_choice(point, verified, out)


def _keep(out: Path, parts: tuple[Any, ...], *, as_json: bool) -> None:
    from superneurons.report.gather import gather_search

    keep(out, lambda: gather_search(*parts), as_json=as_json)


def _limits(max_latency: float | None, min_accuracy: float | None, within: float) -> Any:
    from superneurons.shortcut.search_points import check_limits

    limits: Any = {"max_latency_ms": max_latency, "min_accuracy": min_accuracy, "within": within}
    check_limits(**limits)
    return limits


def _parts(
    train: list[Record], held: list[Record] | None, share: float, seed: int
) -> tuple[list[Record], list[Record]]:
    """Refuse what can't be searched and verified, before the model is opened."""
    from superneurons.evaluate.search import held_out
    from superneurons.task.images import check_images

    if held is None:
        check_images(train)
        train, held = held_out(train, share=share, seed=seed)
    check_parts(train, held)
    return train, held


def _check_holdout(share: float) -> None:
    if not 0 < share < 1:
        raise DataError(
            f"The share that is held out is {share:g}.",
            where="--holdout",
            mend="Give a share between 0 and 1, such as 0.25.",
        )


def _check_out(out: Path | None, overwrite: bool) -> None:
    from superneurons.shortcut.artefact import check_output

    if out is not None:
        check_output(out.expanduser(), overwrite=overwrite)


def _space(
    resolutions: str | None,
    sites: str,
    positions: str,
    orders: str,
    max_layer: int | None,
    template: str | None,
) -> SearchSpace:
    """Read lists that were given as words with commas between them.

    Raises
    ------
    DataError
        When one is no number, or unknown.
    """
    from superneurons.shortcut.search_space import SearchSpace

    given = _words(resolutions or "")
    wrong = [word for word in given if not word.isdecimal()]
    problems = [Problem("resolutions", f"{word!r} is no whole number") for word in wrong]
    named: Any = {"kinds": _words(sites), "positions": _words(positions), "orders": _words(orders)}
    named |= {"max_layer": max_layer, "template": template}
    mend = "Give pixels per side with commas between, such as --resolutions 64,96."
    try:
        space = SearchSpace(tuple(int(word) for word in given if word not in wrong), **named)
    except DataError as error:
        problems += error.problems
        mend = f"{mend} {error.mend}" if wrong else str(error.mend)
    if problems:
        raise DataError(
            "There is nothing to search here.",
            problems=[Problem(_option(p.where), p.what) for p in problems],
            mend=mend,
        )
    return space


def _option(field: str) -> str:
    return "--" + {"kinds": "sites"}.get(field, field).replace("_", "-")


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
