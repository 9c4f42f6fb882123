"""``superneurons export hf`` and ``superneurons export onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from superneurons.cli import options
from superneurons.cli.data import check_asked, read
from superneurons.cli.groups import Group
from superneurons.cli.output import print_json, quiet, step

if TYPE_CHECKING:
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.task.record import Record

__all__ = ["app", "hf", "onnx"]

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Write a classifier in a form that others load."
)

_Classifier: TypeAlias = Annotated[
    Path, typer.Argument(help="The directory that `superneurons fit --out` wrote.")
]
_Out: TypeAlias = Annotated[Path, typer.Option("--out", "-o", help="Directory for the export.")]
_Records: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="Records, labelled or not, to compare the export with the classifier on.",
    ),
]
_Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace the export that is there.")
]
_As: TypeAlias = Annotated[
    Literal["exact", "linear"],
    typer.Option(
        "--as",
        help="exact: the classifier's own read-out, refused where no linear head decides as it "
        "does; linear: the nearest linear head, fitted anew on --data.",
    ),
]


@app.command("hf")
def hf(
    classifier: _Classifier,
    out: _Out,
    data: _Records = None,
    as_: _As = "exact",
    question: options.Question = None,
    model: options.MovedModel = None,
    overwrite: _Overwrite = False,
    batch_size: options.BatchSize = 8,
    device: options.Device = "auto",
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Write a checkpoint cut off at the exit layer, with a head, for transformers and vLLM."""
    from superneurons.export.folder import check_free
    from superneurons.export.hf import export_hf

    quiet()
    out = out.expanduser()
    check_free(out, overwrite=overwrite)
    records = _records(classifier, data, question)
    fitted = _loaded(classifier, model, batch_size, device, trust_remote_code)
    with step("running") as told:
        found = export_hf(fitted, out, as_=as_, records=records, overwrite=overwrite, progress=told)
    print_json(found) if as_json else _print_hf(found, out)


@app.command("onnx")
def onnx(
    classifier: _Classifier,
    out: _Out,
    data: _Records = None,
    question: options.Question = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Also try weights in 8 bits; kept where 99.5 % of the answers on --data are the "
            "classifier's.",
        ),
    ] = False,
    model: options.MovedModel = None,
    overwrite: _Overwrite = False,
    batch_size: options.BatchSize = 8,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Write one graph, pixels to probabilities, for ONNX Runtime; runs on the CPU."""
    from superneurons.export.folder import check_free
    from superneurons.export.onnx import export_onnx

    quiet()
    out = out.expanduser()
    check_free(out, overwrite=overwrite)
    records = _records(classifier, data, question)
    fitted = _loaded(classifier, model, batch_size, "cpu", trust_remote_code)
    found = export_onnx(
        fitted, out, records=records, question=question, int8=int8, overwrite=overwrite
    )
    print_json(found) if as_json else _print_onnx(found, out)


def _records(classifier: Path, data: str | None, question: str | None) -> list[Record] | None:
    from superneurons.shortcut.artefact import read_config

    config = read_config(classifier)
    if data is None:
        return None
    records = read(data, question or config["question"], require_labels=False)
    check_asked(records, config)
    return records


def _loaded(
    classifier: Path, model: str | None, batch_size: int, device: str, trust: bool
) -> SuperNeuronClassifier:
    from superneurons.shortcut.classifier import SuperNeuronClassifier

    return SuperNeuronClassifier.from_pretrained(
        classifier, model, batch_size=batch_size, device=device, trust_remote_code=trust
    )


def _print_hf(told: dict[str, Any], out: Path) -> None:
    base, compared = told["base_model"], told["compared"]
    print(
        f"{told['architecture']}: {told['exit_layer']} of {base['layers']} layers of "
        f"{base['name']}, answers {', '.join(told['labels'])}."
    )
    if told["refitted"] is not None:
        found = told["refitted"]
        print(
            f"The head was fitted anew on {found['fitted_on']} records ({found['learnt_from']}); "
            f"on {found['held_out']} others it agrees with the classifier on "
            f"{found['agreement']:.1%}."
        )
    print(_said(compared))
    print(f"Saved to {out}; its README.md says how it is loaded. vLLM itself was not run.")


def _print_onnx(told: dict[str, Any], out: Path) -> None:
    base, graph, ms = told["base_model"], told["graph"], told["latency_ms"]
    batch = "any batch" if graph["any_batch"] else "one picture at a time"
    print(
        f"{graph['file']}: opset {graph['opset']}, {graph['bytes'] / 1e6:.1f} MB, {batch}; "
        f"{told['exit_layer']} of {base['layers']} layers of {base['name']}, answers "
        f"{', '.join(told['labels'])}."
    )
    print(
        f"One picture, pixels in: {ms['onnx']:.1f} ms in ONNX Runtime, {ms['torch']:.1f} ms in "
        f"PyTorch ({ms['torch_path']}, {ms['threads']} threads)."
    )
    print(_said(told["compared"]))
    if (eight := told["int8"]) is not None:
        print(
            f"8 bits: {eight['bytes'] / 1e6:.1f} MB, {eight['ms']:.1f} ms, the classifier's answer "
            f"on {eight['agreement']:.1%}: {'kept' if eight['kept'] else 'not kept'}."
        )
    print(f"Saved to {out}; its README.md says how it is run.")


def _said(compared: dict[str, Any] | None) -> str:
    if compared is None:
        return "Not compared with the classifier: give records (--data)."
    return (
        f"Loaded again and asked {compared['records']} records: the classifier's answer on "
        f"{compared['agreement']:.1%}."
    )
