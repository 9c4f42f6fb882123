"""How often each way to exit decides as the plain pass of `transformers` does."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from _exits import LinearReadOut, Report, neurons, open_all
from _gpu import table
from _shapes import Shape, random_inputs

from superneurons.vlm.model import VLM, Inputs

__all__ = ["agree_all", "agreement"]

THRESHOLD_FROM = 200  # records
THEIR_SEEDS, OUR_SEEDS = 10**6, 10


@torch.inference_mode()
def agreement(
    vlm: VLM, shape: Shape, depth: int, options: argparse.Namespace, *, own_words: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How often each way decides as the plain pass of ``transformers`` does.

    A random read-out whose threshold is the median of other records, so that half are "yes".
    ``noise`` is the root mean square of what decision values differ by, over the spread of the
    decision values themselves: what a flip needs is a record that close to the threshold.

    Parameters
    ----------
    vlm, shape
        The model.
    depth
        The exit layer.
    options
        Of the command.
    own_words
        Whether each record has words of its own too, or only its picture.
    """

    def batches(number: int, first_seed: int) -> list[int]:
        return list(range(first_seed, first_seed + -(-number // options.agree_batch)))

    def inputs(seed: int) -> Inputs:
        question = -1 if own_words else 0
        return random_inputs(vlm, shape, options.agree_batch, seed=seed, question=question)

    layers, columns = neurons(vlm, depth, options.neurons)
    rows = torch.tensor(layers) - 1, torch.tensor(columns)
    plain, read_out = vlm.truncated(depth), LinearReadOut(len(layers), vlm.device)

    def truth(batch: Inputs) -> torch.Tensor:
        return read_out.decisions(plain.last_states(batch).residual[:, rows[0], rows[1]])

    others = torch.cat(
        [truth(inputs(seed)) for seed in batches(min(THRESHOLD_FROM, options.agree), THEIR_SEEDS)]
    )
    read_out.threshold = float(others.median())
    ready, failed = open_all(vlm, layers, columns, options.accelerations, [inputs(THEIR_SEEDS)])
    found: dict[str, list[torch.Tensor]] = {opened.way: [] for opened in ready}
    expected = []
    for seed in batches(options.agree, OUR_SEEDS):
        batch = inputs(seed)
        expected.append(truth(batch))
        for opened in ready:
            found[opened.way].append(read_out.decisions(opened.exit(batch)))
    wanted = torch.cat(expected)
    about = {"exit": depth, "words": "own" if own_words else "same", "records": len(wanted)}
    return [
        {**about, **opened.as_dict(), **_agreed(torch.cat(found[opened.way]), wanted, read_out)}
        for opened in ready
    ], failed


def _agreed(
    decisions: torch.Tensor, wanted: torch.Tensor, read_out: LinearReadOut
) -> dict[str, Any]:
    same = (decisions > read_out.threshold) == (wanted > read_out.threshold)
    return {
        "agree": same.double().mean().item(),
        "flips": int((~same).sum()),
        "share yes": (wanted > read_out.threshold).double().mean().item(),
        "noise": ((decisions - wanted).square().mean().sqrt() / wanted.std()).item(),
    }


def agree_all(
    vlm: VLM, shape: Shape, depth: int, options: argparse.Namespace, report: Report
) -> None:
    """Put the agreement at an exit into the report, and print it."""
    columns = ("exit", "words", "way", "ran", "records", "agree", "flips", "noise")
    for own_words in (False, True):
        rows, failed = agreement(vlm, shape, depth, options, own_words=own_words)
        report.add("agreement", [{"dtype": options.dtype, **row} for row in rows])
        report.add("not run", failed)
        shown = [
            [*(row[name] for name in columns[:5]), f"{row['agree']:.2%}", row["flips"],
             f"{row['noise']:.1e}"]
            for row in rows
        ]  # fmt: skip
        print(table(columns, shown), flush=True)
