"""``superneurons layers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superneurons.cli import options
from superneurons.cli.data import check_parts, task_or_data
from superneurons.cli.output import print_json, print_whole, quiet, step
from superneurons.errors import DataError

if TYPE_CHECKING:
    from superneurons.evaluate.readings import Reading, Readings

__all__ = ["layers"]


def layers(
    data: options.OtherData = None,
    test: options.TestData = None,
    task: options.Task = None,
    model: options.Model = "demo",
    question: options.Question = None,
    n_probe: options.NProbe = 300,
    n_test: options.NTest = 300,
    sprites: options.Sprites = "seen",
    prompt_order: options.Order = "picture-first",
    prompt_template: options.Template = None,
    batch_size: options.BatchSize = 8,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    revision: options.Revision = None,
    trust_remote_code: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Show, layer by layer and for both tokens, what is read and what only re-reads the answer."""
    from superneurons.evaluate.readings import read_layers
    from superneurons.vlm.opening import open_vlm
    from superneurons.vlm.prompt import Prompt

    quiet()
    prompt = Prompt(prompt_order, prompt_template)
    probe, others = task_or_data(data, test, task, question, n_probe, n_test, sprites, seed)
    if others is None:
        raise DataError("No records to score on.", mend="Give them with --test.")
    check_parts(probe, others)
    with step("opening the model"):
        vlm = open_vlm(
            model, revision=revision, dtype=dtype, device=device,
            trust_remote_code=trust_remote_code,
        )  # fmt: skip
    found = read_layers(
        vlm, probe, others, prompt=prompt, batch_size=batch_size, seed=seed, steps=step
    )
    if as_json:
        print_json({"task": task, **found.as_dict()})
        return
    print(f"{task or data}, e.g. {probe[0].question!r}")
    _print(found)


def _cells(row: Reading) -> list[str]:
    values = (row.neuron_accuracy, row.neuron_agreement, row.accuracy, row.agreement)
    return [f"{100 * value:.1f}" for value in values]


def _print(found: Readings) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from superneurons.activations.site import TOKENS

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", justify="right")
    for token in ("last prompt", "first generated"):
        for what in ("best neuron", "agrees", "read-out", "agrees"):
            table.add_column(f"{token}:\n{what}", justify="right")
    cells = {(row.position, row.layer): _cells(row) for row in found.rows}
    for layer in sorted({row.layer for row in found.rows}):
        pairs = (cells.get((position, layer), ["–"] * 4) for position in TOKENS)
        table.add_row(str(layer), *(cell for pair in pairs for cell in pair))
    console = Console(width=None if Console().is_terminal else 140)
    print_whole(table)
    setting = found.setting
    console.print(
        f"Balanced accuracy in % on {setting['test_records']} test records, of the best single "
        "neuron (sign rule) and of the improved read-out on that layer alone; 'agrees': how often "
        f"it says what the model's own first token says, which is right {found.base_accuracy:.1%} "
        "of the time. Layer 0 is the token's embedding: at the first generated token it is the "
        "model's own answer, at the last prompt token it is the same for every record.",
        highlight=False,
    )
