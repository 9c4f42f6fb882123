"""The ``superneurons`` command.

Exit codes: 0 done; 1 a defect of this program; 2 something to mend (arguments, data, model,
output), said on standard error; 3 a check found drift; 130 interrupted; 141 nobody read on.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from superneurons.cli import (
    amplify,
    cascade,
    check,
    compare,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    inspect,
    layers,
    lock,
    lora,
    predict,
    probe,
    pull,
    push,
    report,
    reproduce,
    robustness,
    search,
    serve,
    tasks,
    verify,
)
from superneurons.cli.ending import Commands, end

__all__ = ["app", "main"]

app = typer.Typer(
    name="superneurons",
    cls=Commands,
    help="Your labels make your own vision-language model better and cheaper at your question.",
    epilog="Exit codes: 0 done, 2 something to mend (said on standard error), "
    "3 a check found drift, 130 interrupted, 141 the reader of the output went away.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("fit")(fit.fit)
app.command("probe")(probe.probe)
app.command("predict")(predict.predict)
app.command("compare")(compare.compare)
app.command("eval")(evaluate.evaluate)
app.command("search")(search.search)
app.command("cascade")(cascade.cascade)
app.command("lora")(lora.lora)
app.command("lock")(lock.lock)
app.command("check")(check.check)
app.command("serve")(serve.serve)
app.command("report")(report.report)
app.command("inspect")(inspect.inspect)
app.command("layers")(layers.layers)
app.command("reproduce")(reproduce.reproduce)
app.command("doctor")(doctor.doctor)
app.command("verify")(verify.verify)
app.command("push")(push.push)
app.command("pull")(pull.pull)
app.add_typer(export.app, name="export")
app.add_typer(tasks.app, name="tasks")
app.add_typer(amplify.app, name="amplify")
app.add_typer(robustness.app, name="robustness")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"superneurons {version('superneurons')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and end with its exit code."""
    sys.exit(end(app))
