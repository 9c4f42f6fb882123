"""``superneurons inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.output import print_json, print_whole, quiet, step
from superneurons.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

    from superneurons.evaluate.neurons import NeuronSeen, NeuronsSeen, Shown
    from superneurons.shortcut.inspection import Inspection

__all__ = ["inspect"]


def inspect(
    classifier: Annotated[
        Path, typer.Argument(help="What `superneurons fit` or `superneurons cascade` saved.")
    ],
    data: options.OtherData = None,
    question: options.Question = None,
    model: options.MovedModel = None,
    top: Annotated[int, typer.Option(min=1, help="Neurons to tell of one by one.")] = 10,
    pictures: Annotated[
        int, typer.Option(min=0, help="With --data: pictures of each kind to name per neuron.")
    ] = 3,
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Show what a classifier reads; with labelled records, what each neuron makes of them."""
    from superneurons.evaluate.neurons import neurons_on
    from superneurons.shortcut.artefact import learnt, read_any, read_config
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.shortcut.inspection import inspect_classifier

    if read_any(classifier).get("kind") == "cascade":
        _inspect_cascade(classifier, data, as_json=as_json)
        return
    quiet()
    config = read_config(classifier)
    found = inspect_classifier(learnt(SuperNeuronClassifier, config, classifier))
    seen = None
    if data is not None:
        records = read(data, question or config["question"])
        check_asked(records, config)
        fitted = SuperNeuronClassifier.from_pretrained(
            classifier, model, batch_size=batch_size, device=device,
            trust_remote_code=trust_remote_code,
        )  # fmt: skip
        with step("looking") as told:
            seen = neurons_on(fitted, records, top=top, pictures=pictures, progress=told)
    if as_json:
        base = {key: config["base_model"][key] for key in ("name", "layers")}
        on_data = None if seen is None else seen.as_dict()
        print_json({"base_model": base, **found.as_dict(), "on_data": on_data})
        return
    _print(found, config["base_model"], seen, top)


def _print(
    found: Inspection, base: dict[str, Any], seen: NeuronsSeen | None, top: int
) -> None:  # fmt: skip
    labels = ", ".join(found.labels) or "options of each record"
    asked = "" if found.question is None else f" to {found.question!r}"
    print(f"Answers{asked}: {labels} ({found.form}).")
    print(
        f"Reads {len(found.neurons)} neurons of the site {found.kind} at {found.position} with the "
        f"read-out {found.read_out}; {found.exit_layer} of {base['layers']} layers of "
        f"{base['name']} run."
    )
    if found.cv_score is not None:
        print(f"Cross-validated when it was fitted: {found.cv_score:.1%}, a little too good.")
    searched = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in found.probing.items())
    print(f"Fitted on: {searched}.")
    _print_layers([(layer, n) for layer, n in found.layers.items()])
    if seen is None:
        _print_weights(found, top)
    else:
        _print_seen(seen)


def _print_layers(layers: list[tuple[int, int]]) -> None:
    table = _table("layer", "neurons")
    for layer, n in layers:
        table.add_row(str(layer), str(n))
    print_whole(table)


def _print_weights(found: Inspection, top: int) -> None:
    if found.neurons[0].weight is None:
        print(f"The read-out {found.read_out} gives its neurons no weights.")
        return
    heaviest = sorted(found.neurons, key=lambda neuron: -abs(neuron.weight or 0))[:top]
    table = _table("layer", "neuron", "weight")
    for neuron in heaviest:
        table.add_row(str(neuron.layer), str(neuron.column), _weight(neuron.weight))
    print_whole(table)
    print(
        "Weights are for one unit of activation, which is more in some neurons than in others; "
        "with --data they are for one standard deviation, and neurons can be compared."
    )


def _print_seen(seen: NeuronsSeen) -> None:
    table = _table("layer", "neuron", "weight per SD", "says", "where", "balanced", "as classifier")
    for one in seen.neurons:
        where = f"{'above' if one.above else 'below'} {one.threshold:.3g}"
        table.add_row(
            str(one.layer), str(one.column), _weight(one.weight), one.says, where,
            f"{100 * one.balanced_accuracy:.1f}", f"{100 * one.agreement:.1f}",
        )  # fmt: skip
    print_whole(table)
    alike = "" if seen.agreement is None else f" Two neurons say the same {seen.agreement:.1%}."
    print(
        f"On {seen.questions} questions about {seen.records} records the classifier reaches a "
        f"balanced accuracy of {seen.balanced_accuracy:.1%}.{alike} Single neurons are cut where "
        "they are best on these records, which makes them look a little too good."
    )
    for one in seen.neurons:
        _print_pictures(one)


def _print_pictures(one: NeuronSeen) -> None:
    kinds = (("highest", one.highest), ("lowest", one.lowest), ("most wrong", one.most_wrong))
    if any(shown for _, shown in kinds):
        print(f"\nlayer {one.layer}, neuron {one.column}")
    for name, rows in kinds:
        for shown in rows:
            print(f"  {name:<10}  {_shown(shown)}")


def _shown(shown: Shown) -> str:
    return f"{shown.activation:+9.3g}  {shown.label}  {shown.picture}"


def _inspect_cascade(directory: Path, data: str | None, *, as_json: bool) -> None:
    from superneurons.shortcut.cascade import Cascade
    from superneurons.shortcut.cascade_artefact import learnt_cascade, read_cascade_config
    from superneurons.shortcut.inspection import inspect_cascade

    if data is not None:
        raise DataError(
            "Neurons are looked at on records for a classifier with one exit, not for a cascade.",
            where="--data",
            mend="Leave --data out, or fit a classifier (`superneurons fit --max-layer`).",
        )
    config = read_cascade_config(directory)
    found = inspect_cascade(learnt_cascade(Cascade, config, directory))
    if as_json:
        base = {key: config["base_model"][key] for key in ("name", "layers")}
        print_json({"kind": "cascade", "base_model": base, **found})
        return
    table = _table("layers run", "reads", "in layers", "sure from", "answers (%)", "cost")
    for stage in found["stages"]:
        table.add_row(*_stage_cells(stage))
    print(f"A cascade of {len(found['stages'])} stages on {config['base_model']['name']}.")
    print_whole(table)
    verified = found["verified"]
    print(
        f"On {verified['records']} records that had no part in it: {verified['accuracy']:.1%} "
        f"right, {verified['wanted']:.1%} wanted, at a mean cost of {verified['cost']:.3g}."
    )


def _stage_cells(stage: dict[str, Any]) -> tuple[str, ...]:
    reads = "the model's answer" if stage["base_answer"] else f"{stage['neurons']} neurons"
    layers = [one["layer"] for one in stage["layers"]]
    span = f"{layers[0]}–{layers[-1]}" if layers else "–"
    sure = "never" if stage["threshold"] is None else f"{stage['threshold']:.3f}"
    return (
        str(stage["layer"]), reads, span, sure, f"{100 * stage['share']:.1f}",
        f"{stage['cost']:.3g}",
    )  # fmt: skip


def _weight(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3g}"


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right")
    return table
